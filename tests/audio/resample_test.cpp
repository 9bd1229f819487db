#include "audio/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <numeric>

namespace greenroom::audio {
namespace {

std::vector<float> noise(std::size_t n) {
  std::vector<float> samples(n);
  std::uint32_t state = 1;
  for (float& sample : samples) {
    state = state * 1664525u + 1013904223u;
    sample = static_cast<float>(static_cast<std::int32_t>(state)) / 2147483648.0f;
  }
  return samples;
}

// Output sample q by the definition of the filter: no trimming, everything in double but the phase, which the
// reference divides in float.
double by_definition(const std::vector<float>& samples, int old_rate, int new_rate, std::int64_t q) {
  const std::int64_t step = old_rate / std::gcd(old_rate, new_rate);
  const std::int64_t phases = new_rate / std::gcd(old_rate, new_rate);
  const double base = static_cast<double>(std::min(step, phases)) * 0.99;
  const double phase = static_cast<float>(q % phases) / static_cast<float>(phases);
  const std::int64_t origin = q / phases * step;
  double sum = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double t = (static_cast<double>(static_cast<std::int64_t>(i) - origin) / step - phase) * base;
    if (std::abs(t) >= 128) continue;
    const double window = std::pow(std::cos(std::numbers::pi * t / 256), 2);
    const double sinc = t == 0 ? 1 : std::sin(std::numbers::pi * t) / (std::numbers::pi * t);
    sum += samples[i] * sinc * window * base / step;
  }
  return sum;
}

class ResampleRates : public testing::TestWithParam<std::pair<int, int>> {};

TEST_P(ResampleRates, FollowTheDefinition) {
  const auto [old_rate, new_rate] = GetParam();
  const std::vector<float> samples = noise(2000);
  const std::vector<float> out = resample_sinc(samples, old_rate, new_rate);
  ASSERT_EQ(out.size(), (2000ull * new_rate + old_rate - 1) / old_rate);
  for (std::size_t q = 0; q < out.size(); q += 7) {
    ASSERT_NEAR(out[q], by_definition(samples, old_rate, new_rate, static_cast<std::int64_t>(q)), 2e-6) << q;
  }
  EXPECT_NEAR(out.back(),
              by_definition(samples, old_rate, new_rate, static_cast<std::int64_t>(out.size()) - 1), 2e-6);
}

INSTANTIATE_TEST_SUITE_P(Rates, ResampleRates,
                         testing::Values(std::pair(44100, 16000), std::pair(48000, 16000),
                                         std::pair(8000, 16000), std::pair(16000, 44100),
                                         std::pair(44101, 16000), std::pair(192000, 16000)));

TEST(Resample, EqualRatesAreACopy) {
  const std::vector<float> samples = noise(100);
  EXPECT_EQ(resample_sinc(samples, 16000, 16000), samples);
}

TEST(Resample, LengthIsRoundedUp) {
  EXPECT_EQ(resample_sinc(noise(442), 44100, 16000).size(), 161u);
  EXPECT_EQ(resample_sinc(noise(441), 44100, 16000).size(), 160u);
  EXPECT_EQ(resample_sinc(noise(1), 44100, 16000).size(), 1u);
  EXPECT_EQ(resample_sinc({}, 44100, 16000).size(), 0u);
}

TEST(Resample, OneSampleSpreadsAsTheFilter) {
  // At its own position a sample is weighted by 0.99, the roll-off, when the rate rises.
  EXPECT_FLOAT_EQ(resample_sinc(std::vector<float>{1}, 8000, 16000)[0], 0.99f);
}

TEST(Resample, KeepsAToneAndDropsWhatTheNewRateCannotHold) {
  const auto tone = [](double hz, int rate) {
    std::vector<float> samples(static_cast<std::size_t>(rate));
    for (std::size_t i = 0; i < samples.size(); ++i) {
      samples[i] = static_cast<float>(std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / rate));
    }
    return samples;
  };
  const std::vector<float> kept = resample_sinc(tone(440, 44100), 44100, 16000);
  const std::vector<float> expected = tone(440, 16000);
  const std::vector<float> dropped = resample_sinc(tone(12000, 44100), 44100, 16000);
  for (std::size_t i = 1000; i < 15000; ++i) {
    ASSERT_NEAR(kept[i], expected[i], 1e-3) << i;
    ASSERT_NEAR(dropped[i], 0, 1e-3) << i;
  }
}

// Shared out to threads, a long recording gives bit for bit what its parts give.
TEST(Resample, DoesNotDependOnTheDivisionOfTheWork) {
  for (const int old_rate : {44100, 48000}) {
    const std::vector<float> samples = noise(static_cast<std::size_t>(old_rate) * 20);
    const std::vector<float> whole = resample_sinc(samples, old_rate, 16000);
    const std::size_t second = static_cast<std::size_t>(old_rate);
    const std::vector<float> part =
        resample_sinc(std::span(samples).subspan(9 * second, second), old_rate, 16000);
    for (std::size_t i = 1000; i < 15000; ++i) ASSERT_EQ(whole[9 * 16000 + i], part[i]) << i;
  }
}

TEST(Resample, DividesUnrelatedRatesByPhase) {
  // 44101 and 16000 have no common factor: 16000 kernels, each used 10 times.
  const std::vector<float> samples = noise(441010);
  const std::vector<float> whole = resample_sinc(samples, 44101, 16000);
  ASSERT_EQ(whole.size(), 160000u);
  const std::vector<float> part = resample_sinc(std::span(samples).subspan(5 * 44101, 44101), 44101, 16000);
  for (std::size_t i = 1000; i < 15000; ++i) ASSERT_EQ(whole[5 * 16000 + i], part[i]) << i;
}

}  // namespace
}  // namespace greenroom::audio
