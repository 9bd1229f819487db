#include "audio/pitch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::audio {
namespace {

using testing::DoubleEq;
using testing::Each;
using testing::ElementsAre;
using testing::SizeIs;

TEST(RegridPitch, KeepsATrackOfTheSameStep) {
  EXPECT_THAT(regrid_pitch({0, 100, 0, 200, 0}, 0.01, 441, 44100, 5), ElementsAre(0, 100, 0, 200, 0));
}

TEST(RegridPitch, AFrameHalfwayToVoicedIsVoicedWithTheFilledPitch) {
  // 5 ms frames: the voicing flag is 0.5 in between, and only more than that is unvoiced.
  EXPECT_THAT(regrid_pitch({0, 100, 300}, 0.01, 220.5, 44100, 5), ElementsAre(0, 100, 100, 200, 300));
}

TEST(RegridPitch, HoldsTheLastValuePastTheEndOfTheTrack) {
  EXPECT_THAT(regrid_pitch({100, 200}, 0.01, 441, 44100, 5), ElementsAre(100, 200, 200, 200, 200));
  EXPECT_THAT(regrid_pitch({100, 0}, 0.01, 441, 44100, 4), ElementsAre(100, 0, 0, 0));
}

TEST(RegridPitch, AnUnvoicedOrEmptyTrackIsZero) {
  EXPECT_THAT(regrid_pitch({0, 0, 0}, 0.01, 441, 44100, 4), testing::AllOf(SizeIs(4), Each(0.0)));
  EXPECT_THAT(regrid_pitch({}, 0.01, 441, 44100, 4), testing::AllOf(SizeIs(4), Each(0.0)));
  EXPECT_THAT(regrid_pitch({100}, 0.01, 441, 44100, 0), SizeIs(0));
}

TEST(FillUnvoiced, InterpolatesInsideAndHoldsAtTheEnds) {
  std::vector<double> f0 = {0, 100, 0, 0, 160, 0};
  fill_unvoiced(f0, 50);
  EXPECT_THAT(f0, ElementsAre(100, 100, DoubleEq(120), DoubleEq(140), 160, 160));
}

TEST(FillUnvoiced, RaisesToTheMinimumAfterFilling) {
  std::vector<double> f0 = {20, 0, 120};
  fill_unvoiced(f0, 50);
  EXPECT_THAT(f0, ElementsAre(50, 70, 120));
}

TEST(FillUnvoiced, AllUnvoicedIsTheMinimum) {
  std::vector<double> f0(4, 0.0);
  fill_unvoiced(f0, 50);
  EXPECT_THAT(f0, Each(50.0));
}

TEST(RaiseToMinimum, LeavesHigherValuesAlone) {
  std::vector<double> f0 = {0, 49.9, 50, 2000};
  raise_to_minimum(f0, 50);
  EXPECT_THAT(f0, ElementsAre(50, 50, 50, 2000));
}

}  // namespace
}  // namespace greenroom::audio
