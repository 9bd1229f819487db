#include "audio/join.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::audio {
namespace {

using testing::ElementsAre;

TEST(AppendSegment, FollowsWithoutAGap) {
  std::vector<double> joined = {1, 2};
  append_segment(joined, std::vector<float>{3, 4}, 2);
  EXPECT_THAT(joined, ElementsAre(1, 2, 3, 4));
}

TEST(AppendSegment, FillsAGapWithSilence) {
  std::vector<double> joined;
  append_segment(joined, std::vector<float>{5}, 3);
  EXPECT_THAT(joined, ElementsAre(0, 0, 0, 5));
}

TEST(AppendSegment, FadesFromTheOldToTheNewIncludingBothEnds) {
  std::vector<double> joined = {9, 4, 4, 4, 4, 4};
  append_segment(joined, std::vector<float>{8, 8, 8, 8, 8, 7}, 1);
  EXPECT_THAT(joined, ElementsAre(9, 4, 5, 6, 7, 8, 7));
}

TEST(AppendSegment, AFadeOfOneSampleKeepsTheOld) {
  std::vector<double> joined = {1, 2};
  append_segment(joined, std::vector<float>{6, 7}, 1);
  EXPECT_THAT(joined, ElementsAre(1, 2, 7));
}

TEST(AppendSegment, AnOverlapLongerThanTheSegmentKeepsTheRest) {
  std::vector<double> joined = {0, 0, 0, 0};
  append_segment(joined, std::vector<float>{2, 2}, 1);
  EXPECT_THAT(joined, ElementsAre(0, 0, 2, 0));
}

TEST(AppendSegment, AnEmptySegmentOnlyPads) {
  std::vector<double> joined = {1};
  append_segment(joined, {}, 0);
  EXPECT_THAT(joined, ElementsAre(1));
  append_segment(joined, {}, 2);
  EXPECT_THAT(joined, ElementsAre(1, 0));
}

}  // namespace
}  // namespace greenroom::audio
