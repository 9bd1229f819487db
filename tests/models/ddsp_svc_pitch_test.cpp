// The pitch network over recordings longer than it takes at once.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "models/ddsp_svc/pitch_net.h"
#include "support/error_of.h"

namespace greenroom::models::ddsp_svc {
namespace {

constexpr std::int64_t kHop = 160;

// Random weights of a small RMVPE: every frame of its context and both directions of its GRU count.
PitchNet small_net() {
  const auto path =
      std::filesystem::path(GREENROOM_TEST_DATA) / "golden" / "ddsp_svc" / "rmvpe" / "weights.pt";
  return PitchNet(nn::Weights(checkpoint::Checkpoint::open(path), base::DeviceId{}));
}

// A gliding tone in noise that swells and fades.
torch::Tensor glide(std::int64_t samples) {
  torch::manual_seed(5);
  const auto t = torch::arange(samples, torch::kFloat64) / 16000;
  const auto tone = torch::sin(2 * M_PI * (150 * t + 20 * torch::sin(t)));
  return ((0.3 * tone + 0.05 * torch::randn({samples}, torch::kFloat64)) * (1 + torch::sin(3 * t)) / 2)
      .to(torch::kFloat32);
}

double largest(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

TEST(PitchNet, PiecesAreTheWhole) {
  const PitchNet net = small_net();
  const std::int64_t context = net.context_frames();
  for (const auto padding : {PitchPadding::kLogMel, PitchPadding::kAudio}) {
    for (const std::int64_t samples : {3 * context * kHop + 77, 4 * context * kHop - 1, 4 * context * kHop}) {
      const auto audio = glide(samples);
      const auto whole = net.salience(audio, padding, samples);
      EXPECT_EQ(whole.size(1), samples / kHop + 1);
      for (const std::int64_t own : {32, 96, 320}) {
        const auto pieces = net.salience(audio, padding, 2 * context + own);
        ASSERT_EQ(pieces.sizes(), whole.sizes());
        EXPECT_LT(largest(pieces - whole), 1e-5 * largest(whole)) << samples << " samples, " << own;
      }
    }
  }
}

// Else the test above would not see pieces that begin and end as a recording does.
TEST(PitchNet, ContextIsNeeded) {
  const PitchNet net = small_net();
  const std::int64_t frames = 4 * net.context_frames();
  const auto audio = glide(frames * kHop);
  const auto mel = net.log_mel(audio).slice(2, 0, frames);
  const auto whole = net.unet(mel).decoder;
  const std::int64_t middle = frames / 2;
  const auto without = net.unet(mel.slice(2, middle)).decoder;
  EXPECT_GT(largest(without - whole.slice(2, middle)), 1e-3 * largest(whole));
  const auto with = net.unet(mel.slice(2, middle - net.context_frames())).decoder;
  EXPECT_LT(largest(with.slice(2, net.context_frames()) - whole.slice(2, middle)), 1e-5 * largest(whole));
}

TEST(PitchNet, TrackOfSeveralPiecesIsThatOfTheWhole) {
  const PitchNet net = small_net();
  const std::int64_t samples = 2 * kPitchPieceFrames * kHop + 12345;
  const auto audio = glide(samples);
  const auto track = net.track(audio, PitchPadding::kAudio);
  const auto whole = PitchNet::decode(net.salience(audio, PitchPadding::kAudio, samples));
  ASSERT_EQ(track.size(), whole.size());
  for (std::size_t i = 0; i < track.size(); ++i) ASSERT_NEAR(track[i], whole[i], 1e-4 * whole[i]) << i;
}

TEST(PitchNet, StopsBetweenTheLevelsOfAPiece) {
  const PitchNet net = small_net();
  const auto audio = glide(2 * kPitchPieceFrames * kHop);
  std::vector<double> told;
  const auto stop_at = [&](double share) {
    told.clear();
    return test::error_of([&] {
      net.track(audio, PitchPadding::kAudio, [&](double done) {
        told.push_back(done);
        if (done >= share) throw base::Error(base::ErrorCode::kCancelled, "stop");
      });
    });
  };
  EXPECT_EQ(stop_at(0).code(), base::ErrorCode::kCancelled);
  EXPECT_EQ(told.size(), 1U) << "before anything is computed";
  EXPECT_EQ(stop_at(0.5).code(), base::ErrorCode::kCancelled);
  EXPECT_GE(told.size(), 6U) << "several times a piece";
  EXPECT_LT(told.back(), 0.7);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
}

}  // namespace
}  // namespace greenroom::models::ddsp_svc
