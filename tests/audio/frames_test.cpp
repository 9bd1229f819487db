#include "audio/frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::audio {
namespace {

using testing::ElementsAre;

TEST(PythonFloorDivide, MayLieBelowTheRoundedQuotient) {
  EXPECT_EQ(59976 / 88.2, 680.0);
  EXPECT_EQ(python_floor_divide(59976, 88.2), 679.0);
  EXPECT_EQ(python_floor_divide(441, 88.2), 4.0);
  EXPECT_EQ(python_floor_divide(1.0, 0.1), 9.0);
}

TEST(PythonFloorDivide, IsExactForWholeHops) {
  EXPECT_EQ(python_floor_divide(0, 512), 0.0);
  EXPECT_EQ(python_floor_divide(511, 512), 0.0);
  EXPECT_EQ(python_floor_divide(512, 512), 1.0);
}

TEST(PythonRound, RoundsHalfToEven) {
  EXPECT_EQ(python_round(0.5), 0);
  EXPECT_EQ(python_round(1.5), 2);
  EXPECT_EQ(python_round(2.5), 2);
  EXPECT_EQ(python_round(220.5), 220);
  EXPECT_EQ(python_round(2.50001), 3);
  EXPECT_EQ(python_round(-0.5), 0);
}

TEST(FrameCount, IsOneMoreThanTheWholeHops) {
  EXPECT_EQ(frame_count(0, 512), 1);
  EXPECT_EQ(frame_count(511, 512), 1);
  EXPECT_EQ(frame_count(512, 512), 2);
  EXPECT_EQ(frame_count(59976, 88.2), 680);
}

TEST(Interpolate, IsLinearBetweenThePoints) {
  EXPECT_THAT(interpolate({1.0, 1.5, 2.0, 4.0}, {1, 2, 6}, {10, 20, 0}), ElementsAre(10, 15, 20, 10));
}

TEST(Interpolate, HoldsTheEndValuesOutside) {
  EXPECT_THAT(interpolate({-5, 6, 100}, {1, 2, 6}, {10, 20, 0}), ElementsAre(10, 0, 0));
}

TEST(Interpolate, OnePointIsAConstant) {
  EXPECT_THAT(interpolate({-1, 3, 7}, {3}, {42}), ElementsAre(42, 42, 42));
  EXPECT_THAT(interpolate({}, {3}, {42}), ElementsAre());
}

}  // namespace
}  // namespace greenroom::audio
