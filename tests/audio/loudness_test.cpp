#include "audio/loudness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace greenroom::audio {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::FloatNear;
using testing::SizeIs;

// offset + swing, offset - swing, ...
std::vector<float> alternating(std::size_t n, float swing, float offset = 0) {
  std::vector<float> samples(n);
  for (std::size_t i = 0; i < n; ++i) samples[i] = offset + (i % 2 == 0 ? swing : -swing);
  return samples;
}

TEST(VolumeRms, OfAConstantIsItsMagnitude) {
  const std::vector<float> samples(1000, -0.5f);
  EXPECT_THAT(volume_rms(samples, 88.2), testing::AllOf(SizeIs(12), Each(0.5f)));
}

TEST(VolumeRms, ReflectsAsOftenAsThePaddingNeeds) {
  // Padded by 4 on both sides: 3 0 0 0 [3 0 0] 0 3 0 0; the one frame is the first 8 of these.
  EXPECT_THAT(volume_rms(std::vector<float>{3, 0, 0}, 8), ElementsAre(1.5f));
}

TEST(VolumeRms, OneSampleIsRepeated) {
  EXPECT_THAT(volume_rms(std::vector<float>{0.25f}, 512), ElementsAre(0.25f));
}

TEST(VolumeRms, NoSamplesAreOneSilentFrame) {
  EXPECT_THAT(volume_rms({}, 512), ElementsAre(0.0f));
}

TEST(VolumeDeviation, IgnoresAConstantOffset) {
  EXPECT_THAT(volume_deviation(std::vector<float>(1000, 0.5f), 64, 256), Each(0.0f));
  EXPECT_THAT(volume_deviation(alternating(2048, 0.125f, 0.5f), 64, 256), Each(FloatNear(0.125f, 1e-4f)));
}

TEST(VolumeDeviation, ReflectsAsOftenAsThePaddingNeeds) {
  EXPECT_THAT(volume_deviation(std::vector<float>{1, -1}, 2, 6), ElementsAre(1.0f, 1.0f));
}

TEST(VolumeDeviation, OneSampleHasNone) {
  EXPECT_THAT(volume_deviation(std::vector<float>{0.25f}, 512, 8192), ElementsAre(0.0f));
}

TEST(VolumeDeviation, NoSamplesAreOneSilentFrame) {
  EXPECT_THAT(volume_deviation({}, 512, 8192), ElementsAre(0.0f));
}

TEST(VolumeDeviation, SilenceAfterLoudPassagesIsExactlyZero) {
  std::vector<float> samples = alternating(200000, 0.9f, 0.05f);
  samples.resize(240000, 0.0f);
  const std::vector<float> volume = volume_deviation(samples, 557.28, 8916.5);
  EXPECT_EQ(volume.back(), 0.0f);
  EXPECT_NEAR(volume[100], 0.9f, 1e-4f);
}

TEST(VolumeDeviation, CountsEverySampleOfAWideWindowOnce) {
  // One click in a window of 1000 samples: mean 0.001, mean of squares 0.001.
  std::vector<float> samples(4000, 0.0f);
  samples[2001] = 1;
  const std::vector<float> volume = volume_deviation(samples, 500, 1000);
  EXPECT_THAT(volume,
              ElementsAre(0, 0, 0, 0, FloatNear(0.0316070f, 1e-6f), FloatNear(0.0316070f, 1e-6f), 0, 0, 0))
      << "frame 3 ends at 2000";
}

TEST(LoudnessMask, IsStrictlyAboveTheThreshold) {
  EXPECT_THAT(loudness_mask({0.05f, 0.1f, 0.11f}, -20, 0), ElementsAre(0, 0, 1));
}

TEST(LoudnessMask, SpreadsToTheNeighboursOnBothSides) {
  EXPECT_THAT(loudness_mask({0, 0, 0, 1, 0, 0, 0, 0}, -60, 2), ElementsAre(0, 1, 1, 1, 1, 1, 0, 0));
  EXPECT_THAT(loudness_mask({1, 0, 0, 0, 0, 0, 1, 0}, -60, 2), ElementsAre(1, 1, 1, 0, 1, 1, 1, 1));
  EXPECT_THAT(loudness_mask({1, 0, 1, 0}, -60, 4), ElementsAre(1, 1, 1, 1));
}

TEST(LoudnessMask, OfSilenceIsZero) {
  EXPECT_THAT(loudness_mask({0, 0, 0}, -60, 4), ElementsAre(0, 0, 0));
  EXPECT_THAT(loudness_mask({}, -60, 4), ElementsAre());
}

TEST(UpsampleFrames, RisesLinearlyAndHoldsTheLastFrame) {
  EXPECT_THAT(upsample_frames({0, 1, 0.5}, 4),
              ElementsAre(0, 0.25f, 0.5f, 0.75f, 1, 0.875f, 0.75f, 0.625f, 0.5f, 0.5f, 0.5f, 0.5f));
  EXPECT_THAT(upsample_frames({}, 4), ElementsAre());
}

}  // namespace
}  // namespace greenroom::audio
