#include "audio/log_mel.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace greenroom::audio {
namespace {

TEST(LogMel, CountsFramesAsUpstream) {
  const LogMelSettings settings;
  EXPECT_EQ(log_mel_frames(330750, settings), 1291);  // 15 s
  EXPECT_EQ(log_mel_frames(255, settings), 0);
  EXPECT_EQ(log_mel_frames(256, settings), 1);
  EXPECT_EQ(log_mel_frames(511, settings), 1);
  EXPECT_EQ(log_mel_frames(512, settings), 2);
}

TEST(LogMel, SilenceIsTheFloor) {
  const std::vector<float> silence(2205);
  const auto mel = log_mel(silence, {});
  ASSERT_EQ(mel.size(), 80U * static_cast<std::size_t>(log_mel_frames(2205, {})));
  for (const float value : mel) EXPECT_NEAR(value, std::log(1e-5), 1e-5);
}

TEST(LogMel, TooShortToMirrorIsAClearError) {
  const std::vector<float> shortest(385, 0.1F);
  EXPECT_EQ(log_mel(shortest, {}).size(), 80U);
  try {
    log_mel(std::vector<float>(384, 0.1F), {});
    FAIL() << "384 samples were taken";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("385"), std::string::npos);
  }
}

}  // namespace
}  // namespace greenroom::audio
