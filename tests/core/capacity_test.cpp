#include "core/capacity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::core {
namespace {

using ::testing::HasSubstr;

constexpr DeviceReading kReading{.total = 1000, .free = 300, .ours = 200, .is_exact = true};

TEST(Capacity, IsTheBudgetWhenNothingIsKnown) {
  EXPECT_EQ(capacity_of({700, 0.5}, std::nullopt).bytes, 700u);
  EXPECT_EQ(capacity_of({700, 0.5}, std::nullopt).bound_by, "");
}

TEST(Capacity, IsTheLeastOfTheThree) {
  EXPECT_EQ(capacity_of({100, 0.9}, kReading).bytes, 100u);
  EXPECT_EQ(capacity_of({5000, 0.4}, kReading).bytes, 400u);
  EXPECT_THAT(capacity_of({5000, 0.4}, kReading).bound_by, HasSubstr("40 % of the device's 1000 B"));
  EXPECT_EQ(capacity_of({5000, 0.9}, kReading).bytes, 500u) << "free, and what is ours already";
  EXPECT_THAT(capacity_of({5000, 0.9}, kReading).bound_by, HasSubstr("only 300 B free"));
}

TEST(Capacity, AReadingNeverRaisesIt) {
  EXPECT_EQ(capacity_of({100, 1}, DeviceReading{1000, 1000, 500, true}).bytes, 100u);
}

TEST(Capacity, WhatAnotherAccountPaysForIsNotOurs) {
  EXPECT_EQ(capacity_of({5000, 1}, kReading, {150}).bytes, 350u);
  EXPECT_EQ(capacity_of({5000, 1}, kReading, {9999}).bytes, 300u);
}

TEST(Capacity, TheContextIsPartOfTheBudgetBeforeAndAfterItIsThere) {
  constexpr DeviceReading kBefore{.total = 1000, .free = 900, .ours = 0, .overhead_to_come = 100};
  constexpr DeviceReading kAfter{.total = 1000, .free = 800, .ours = 0, .overhead = 100};
  EXPECT_EQ(capacity_of({500, 1}, kBefore).bytes, 400U);
  EXPECT_EQ(capacity_of({500, 1}, kAfter).bytes, 400U);
  EXPECT_THAT(capacity_of({500, 1}, kAfter).bound_by, HasSubstr("100 B of the budget"));
  EXPECT_EQ(capacity_of({1000, 1}, kBefore).bytes, 800U);
  EXPECT_EQ(capacity_of({1000, 1}, kAfter).bytes, 800U) << "the device counts it itself by now";
}

TEST(Capacity, PiecesBetweenOthersCountOnlyWhereAClaimExplainsThem) {
  constexpr DeviceReading kScattered{.total = 1000, .free = 300, .ours = 400, .stuck = 150};
  EXPECT_EQ(capacity_of({1000, 1}, kScattered, {0, 200}).bytes, 550U);
  EXPECT_EQ(capacity_of({1000, 1}, kScattered, {0, 350}).bytes, 650U) << "a run's, which uses them";
  EXPECT_EQ(capacity_of({1000, 1}, kScattered, {0, 500}).bytes, 700U);
}

TEST(NotReturned, ComparesWithWhatShouldBeFree) {
  const ReturnBaseline baseline = return_baseline({1000, 300, 500, true}, 400);
  EXPECT_EQ(baseline.unexplained, 100u) << "a pool";
  EXPECT_EQ(baseline.foreign, 200u);
  EXPECT_EQ(not_returned(baseline, {1000, 500, 300, true}, 200, 200), 0u) << "all there at once";
  EXPECT_EQ(not_returned(baseline, {1000, 300, 300, true}, 200, 200), 200u) << "the driver lags";
  EXPECT_EQ(not_returned(baseline, {1000, 300, 500, true}, 200, 200), 200u) << "the allocator keeps it";
  EXPECT_EQ(not_returned(baseline, {1000, 400, 350, true}, 200, 200), 100u) << "50 each";
}

TEST(NotReturned, OtherLoadsAreExplainedByTheirClaims) {
  const ReturnBaseline baseline = return_baseline({1000, 300, 500, true}, 500);
  EXPECT_EQ(not_returned(baseline, {1000, 200, 600, true}, 600, 200), 0u) << "300 came meanwhile, claimed";
}

TEST(NotReturned, IsNeverMoreThanWasFreed) {
  const ReturnBaseline baseline = return_baseline({1000, 800, 200, true}, 200);
  EXPECT_EQ(not_returned(baseline, {1000, 0, 0, true}, 0, 200), 200u) << "a program took all meanwhile";
}

}  // namespace
}  // namespace greenroom::core
