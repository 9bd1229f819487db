#include "core/profile.h"

#include <gtest/gtest.h>

#include <limits>

namespace greenroom::core {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::uint64_t truth(const RunFeatures& run) {
  return static_cast<std::uint64_t>(50e6 + 2e6 * run.audio_seconds +
                                    1e4 * run.audio_seconds * run.audio_seconds);
}

TEST(WorkspaceProfile, IsTheComputedFigureUntilEnoughIsKnown) {
  WorkspaceProfile profile;
  EXPECT_EQ(profile.estimate("convert", {.audio_seconds = 1}, 7 * kMiB).bytes, 7 * kMiB);
  for (int i = 0; i < 3; ++i) profile.measured("convert", {.audio_seconds = 1}, kMiB);
  EXPECT_EQ(profile.estimate("convert", {.audio_seconds = 1}, 7 * kMiB).samples, 0u);
  profile.measured("convert", {.audio_seconds = 1}, kMiB);
  const auto learnt = profile.estimate("convert", {.audio_seconds = 1}, 7 * kMiB);
  EXPECT_EQ(learnt.samples, 4u);
  EXPECT_GE(learnt.bytes, kMiB);
  EXPECT_LT(learnt.bytes, 2 * kMiB);
  EXPECT_EQ(profile.estimate("other", {.audio_seconds = 1}, 7 * kMiB).bytes, 7 * kMiB);
}

TEST(WorkspaceProfile, LearnsHowItGrows) {
  WorkspaceProfile profile;
  for (const double seconds : {1.0, 3.0, 10.0, 30.0, 60.0}) {
    profile.measured("convert", {.audio_seconds = seconds}, truth({.audio_seconds = seconds}));
  }
  for (const double seconds : {2.0, 5.0, 20.0, 45.0, 60.0}) {
    const auto needed = static_cast<double>(truth({.audio_seconds = seconds}));
    const auto estimate =
        static_cast<double>(profile.estimate("convert", {.audio_seconds = seconds}, 0).bytes);
    EXPECT_GE(estimate, needed) << seconds;
    EXPECT_LE(estimate, needed * 1.3) << seconds;
  }
}

TEST(WorkspaceProfile, ALargerRunNeverNeedsLess) {
  WorkspaceProfile profile;
  profile.measured("tts", {.text_tokens = 10, .beams = 1}, 90 * kMiB);
  profile.measured("tts", {.text_tokens = 20, .beams = 3}, 70 * kMiB);  // measured oddly
  profile.measured("tts", {.text_tokens = 40, .beams = 1}, 100 * kMiB);
  profile.measured("tts", {.text_tokens = 80, .beams = 3}, 300 * kMiB);
  std::uint64_t before = 0;
  for (double tokens = 1; tokens < 80; tokens += 7) {
    const auto bytes = profile.estimate("tts", {.text_tokens = tokens, .beams = 2}, 0).bytes;
    EXPECT_GE(bytes, before);
    before = bytes;
  }
  EXPECT_GE(profile.estimate("tts", {.text_tokens = 10, .beams = 1}, 0).bytes, 90 * kMiB)
      << "what was measured is never undercut";
}

TEST(WorkspaceProfile, BeyondWhatWasMeasuredTheComputedFigureIsTheLeast) {
  WorkspaceProfile profile;
  for (int i = 1; i <= 5; ++i) profile.measured("convert", {.audio_seconds = 1.0 * i}, kMiB);
  EXPECT_LT(profile.estimate("convert", {.audio_seconds = 5}, 900 * kMiB).bytes, 2 * kMiB);
  EXPECT_EQ(profile.estimate("convert", {.audio_seconds = 500}, 900 * kMiB).bytes, 900 * kMiB);
}

TEST(WorkspaceProfile, SurvivesARestart) {
  WorkspaceProfile profile;
  for (int i = 1; i <= 5; ++i) profile.measured("convert", {.audio_seconds = 1.0 * i}, i * kMiB);
  WorkspaceProfile restarted;
  restarted.learn(profile.learnt());
  EXPECT_EQ(restarted.estimate("convert", {.audio_seconds = 3}, 0).samples, 5u);
  EXPECT_NEAR(static_cast<double>(restarted.estimate("convert", {.audio_seconds = 3}, 0).bytes),
              static_cast<double>(profile.estimate("convert", {.audio_seconds = 3}, 0).bytes), 0.05 * kMiB);
}

TEST(WorkspaceProfile, NonsenseIsNotLearntAndMemoryIsBounded) {
  WorkspaceProfile profile;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  profile.learn({{"convert", {{{.audio_seconds = nan}, 1}, {{.steps = -1}, 1}, {{}, 1ull << 60}}}});
  EXPECT_EQ(profile.estimate("convert", {}, 5).samples, 0u);
  for (int i = 0; i < 500; ++i) profile.measured("convert", {.audio_seconds = 1.0 * i}, kMiB);
  EXPECT_EQ(profile.learnt().front().samples.size(), WorkspaceProfile::kMostSamples);
}

}  // namespace
}  // namespace greenroom::core
