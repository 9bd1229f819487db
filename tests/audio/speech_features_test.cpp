#include "audio/speech_features.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "base/error.h"

namespace greenroom::audio {
namespace {

std::vector<float> tone(std::size_t samples, double hz) {
  std::vector<float> result(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    const double seconds = static_cast<double>(i) / kSpeechRate;
    result[i] = static_cast<float>(0.3 * std::sin(2 * std::numbers::pi * hz * seconds));
  }
  return result;
}

TEST(SpeechFeatures, CountsWholeFrames) {
  EXPECT_EQ(speech_frames(0), 0);
  EXPECT_EQ(speech_frames(399), 0);
  EXPECT_EQ(speech_frames(400), 1);
  EXPECT_EQ(speech_frames(559), 1);
  EXPECT_EQ(speech_frames(560), 2);
  EXPECT_EQ(speech_frames(15 * kSpeechRate), 1498);
}

TEST(SpeechFeatures, ATenthOfASecondGivesFourSteps) {
  const auto features = seamless_features(tone(1600, 440));
  EXPECT_EQ(features.steps(), 4);
  EXPECT_EQ(features.values.size(), 4U * 160);
  EXPECT_EQ(features.mask, std::vector<std::uint8_t>({1, 1, 1, 1}));
}

TEST(SpeechFeatures, AnOddFrameIsPaddedWithOnesAndMasked) {
  const auto samples = tone(400 + 6 * 160, 440);  // seven frames
  const auto features = seamless_features(samples);
  ASSERT_EQ(features.steps(), 4);
  EXPECT_EQ(features.mask, std::vector<std::uint8_t>({1, 1, 1, 0}));
  for (std::size_t i = 0; i < 80; ++i) EXPECT_EQ(features.values[3 * 160 + 80 + i], 1);
  EXPECT_NE(features.values[3 * 160], 1);
}

TEST(SpeechFeatures, EachBinHasZeroMeanAndUnitVariance) {
  auto samples = tone(16000, 300);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] *= static_cast<float>(i) / 16000;
  const auto features = seamless_features(samples);
  const std::size_t frames = features.values.size() / 80;
  for (std::size_t bin = 0; bin < 80; bin += 13) {
    double sum = 0;
    double squares = 0;
    for (std::size_t t = 0; t < frames; ++t) {
      const double value = features.values[t * 80 + bin];
      sum += value;
      squares += value * value;
    }
    EXPECT_NEAR(sum / static_cast<double>(frames), 0, 1e-5);
    EXPECT_NEAR(squares / static_cast<double>(frames - 1), 1, 1e-3);
  }
}

TEST(SpeechFeatures, SilenceIsZeroNotInfinite) {
  const std::vector<float> silence(8000);
  const auto features = seamless_features(silence);
  for (const float value : features.values) EXPECT_EQ(value, 0);
  auto fbank = kaldi_fbank(silence, 1);
  for (const float value : fbank) EXPECT_NEAR(value, std::log(1.1920929e-07), 1e-5);
  subtract_mean(fbank);
  for (const float value : fbank) EXPECT_NEAR(value, 0, 1e-6);
}

TEST(SpeechFeatures, ScaleShiftsTheLogarithms) {
  const auto samples = tone(4000, 1000);
  const auto plain = kaldi_fbank(samples, 1);
  const auto scaled = kaldi_fbank(samples, 32768);
  const double shift = 2 * std::log(32768.0);
  EXPECT_NEAR(scaled[40], plain[40] + shift, 1e-4);
}

TEST(SpeechFeatures, OneFrameIsTooShortForNormalisation) {
  try {
    seamless_features(tone(559, 440));
    FAIL() << "559 samples were taken";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("560"), std::string::npos);
  }
  EXPECT_THROW(seamless_features({}), base::Error);
}

}  // namespace
}  // namespace greenroom::audio
