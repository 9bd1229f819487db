#include "app/context_cost.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace greenroom::app {
namespace {

constexpr std::uint64_t kMiB = 1ull << 20;

class ContextCostTest : public ::testing::Test {
 protected:
  test::FakeClock clock;
  ContextCost cost{clock};
};

TEST_F(ContextCostTest, IsAssumedBeforeTheFirstUse) {
  const auto bytes = cost.look(8000 * kMiB, 0);
  EXPECT_EQ(bytes.now, 0U);
  EXPECT_EQ(bytes.to_come, ContextCost::kAssumed);
}

TEST_F(ContextCostTest, TheDriverTellsIt) {
  EXPECT_TRUE(cost.is_due());
  cost.measure(1400 * kMiB, 1000 * kMiB);
  EXPECT_FALSE(cost.is_due());
  const auto bytes = cost.look(6600 * kMiB, 1000 * kMiB);
  EXPECT_EQ(bytes.now, 400 * kMiB);
  EXPECT_EQ(bytes.to_come, 0U) << "what is measured needs no assumption";
}

TEST_F(ContextCostTest, TheNextProcessIsExpectedToCostWhatTheLastOneDid) {
  cost.measure(1600 * kMiB, 1000 * kMiB);
  cost.look(6400 * kMiB, 1000 * kMiB);
  cost.measure(std::nullopt, 0);  // the worker ended
  EXPECT_EQ(cost.look(8000 * kMiB, 0).now, 0U);
  EXPECT_EQ(cost.look(8000 * kMiB, 0).to_come, 600 * kMiB);
  cost.measure(300 * kMiB, 10 * kMiB);  // a new one, whose kernels are not all there yet
  const auto bytes = cost.look(7700 * kMiB, 10 * kMiB);
  EXPECT_EQ(bytes.now, 290 * kMiB);
  EXPECT_EQ(bytes.to_come, 310 * kMiB);
}

TEST_F(ContextCostTest, InAContainerItIsWhatTheFirstUseTookBesideTheWeights) {
  cost.measure(std::nullopt, 0);
  cost.look(8000 * kMiB, 0);
  cost.measure(std::nullopt, 1000 * kMiB);
  EXPECT_EQ(cost.look(6550 * kMiB, 1000 * kMiB).now, 450 * kMiB);
  EXPECT_EQ(cost.look(6000 * kMiB, 1100 * kMiB).now, 450 * kMiB) << "what comes later is not the context";
}

TEST_F(ContextCostTest, AnotherProgramsGigabytesAreNoContext) {
  cost.look(20000 * kMiB, 0);
  EXPECT_EQ(cost.look(1000 * kMiB, 1000 * kMiB).now, ContextCost::kLargest);
}

TEST_F(ContextCostTest, IsAskedForAgainAfterAWhileAndWhenTheUseBeginsOrEnds) {
  cost.measure(1400 * kMiB, 1000 * kMiB);
  cost.look(6600 * kMiB, 1000 * kMiB);
  EXPECT_TRUE(cost.is_due()) << "the use has just begun";
  cost.measure(1400 * kMiB, 1000 * kMiB);
  EXPECT_FALSE(cost.is_due());
  clock.advance(ContextCost::kMeasureEvery);
  EXPECT_TRUE(cost.is_due());
}

}  // namespace
}  // namespace greenroom::app
