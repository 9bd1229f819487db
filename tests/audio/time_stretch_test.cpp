#include "audio/time_stretch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "base/error.h"

namespace greenroom::audio {
namespace {

constexpr int kRate = 22050;

Buffer voice(double hertz, double seconds) {
  Buffer audio{std::vector<float>(static_cast<std::size_t>(kRate * seconds)), kRate};
  for (std::size_t i = 0; i < audio.samples.size(); ++i) {
    const double angle = 2 * std::numbers::pi * hertz * static_cast<double>(i) / kRate;
    for (int k = 1; k <= 6; ++k) audio.samples[i] += static_cast<float>(0.3 / k * std::sin(k * angle));
  }
  return audio;
}

// By the peak of the autocorrelation between 60 and 500 Hz, over the middle of the signal.
double pitch_of(const Buffer& audio) {
  const std::size_t begin = audio.samples.size() / 4, count = audio.samples.size() / 2;
  double best = -1;
  std::size_t best_lag = 1;
  for (std::size_t lag = kRate / 500; lag <= kRate / 60; ++lag) {
    double sum = 0;
    for (std::size_t i = begin; i < begin + count - lag; ++i)
      sum += audio.samples[i] * audio.samples[i + lag];
    sum /= static_cast<double>(count - lag);
    if (sum > best * 1.02) {
      best = sum;
      best_lag = lag;
    }
  }
  return static_cast<double>(kRate) / static_cast<double>(best_lag);
}

double loudness(const Buffer& audio) {
  double sum = 0;
  for (const float x : audio.samples) sum += x * x;
  return std::sqrt(sum / static_cast<double>(audio.samples.size()));
}

TEST(TimeStretch, ChangesTheLengthAndKeepsPitchAndLoudness) {
  const auto audio = voice(130, 2);
  for (const double speed : {0.25, 0.5, 0.8, 1.25, 1.5, 2.0, 4.0}) {
    const auto stretched = time_stretch(audio, speed);
    EXPECT_NEAR(stretched.seconds(), 2 / speed, 0.001) << speed;
    EXPECT_NEAR(pitch_of(stretched), pitch_of(audio), 2) << speed;
    EXPECT_NEAR(loudness(stretched) / loudness(audio), 1, 0.1) << speed;
  }
}

TEST(TimeStretch, OneIsACopy) {
  const auto audio = voice(200, 0.3);
  EXPECT_EQ(time_stretch(audio, 1).samples, audio.samples);
}

TEST(TimeStretch, TakesShortAndSilentAudio) {
  for (const std::size_t size : {0, 1, 7, 300}) {
    const Buffer audio{std::vector<float>(size), kRate};
    for (const float x : time_stretch(audio, 1.7).samples) EXPECT_EQ(x, 0);
  }
}

TEST(TimeStretch, RefusesOtherSpeeds) {
  for (const double speed : {0.0, 0.2, 4.1, -1.0, std::nan("")}) {
    EXPECT_THROW(time_stretch(voice(100, 0.1), speed), base::Error) << speed;
  }
}

}  // namespace
}  // namespace greenroom::audio
