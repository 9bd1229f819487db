#include "audio/resample_soxr.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace greenroom::audio {
namespace {

std::vector<float> tone(std::size_t samples, double hz, int rate) {
  std::vector<float> result(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    result[i] = static_cast<float>(std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / rate));
  }
  return result;
}

TEST(ResampleSoxr, GivesAsManySamplesAsLibrosa) {
  EXPECT_EQ(resample_soxr_hq(tone(44100, 440, 44100), 44100, 22050).size(), 22050U);
  EXPECT_EQ(resample_soxr_hq(tone(44101, 440, 44100), 44100, 22050).size(), 22051U);
  EXPECT_EQ(resample_soxr_hq(tone(1000, 440, 48000), 48000, 22050).size(), 460U);  // ceil(459.375)
  EXPECT_EQ(resample_soxr_hq(tone(1, 440, 8000), 8000, 16000).size(), 2U);
}

TEST(ResampleSoxr, LeavesEqualRatesAndNothingAlone) {
  const auto samples = tone(100, 440, 22050);
  EXPECT_EQ(resample_soxr_hq(samples, 22050, 22050), samples);
  EXPECT_TRUE(resample_soxr_hq({}, 44100, 22050).empty());
}

TEST(ResampleSoxr, KeepsAToneAndTakesOutWhatWouldAlias) {
  const auto kept = resample_soxr_hq(tone(44100, 1000, 44100), 44100, 16000);
  const auto expected = tone(16000, 1000, 16000);
  for (std::size_t i = 1000; i < 15000; i += 7) EXPECT_NEAR(kept[i], expected[i], 1e-4) << i;
  const auto gone = resample_soxr_hq(tone(44100, 9000, 44100), 44100, 16000);
  for (std::size_t i = 1000; i < 15000; i += 7) EXPECT_NEAR(gone[i], 0, 1e-4) << i;
}

}  // namespace
}  // namespace greenroom::audio
