#include "core/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Resident idle(std::uint64_t bytes, int used_at) {
  return {bytes, false, base::Clock::TimePoint(std::chrono::seconds(used_at))};
}

Resident pinned(std::uint64_t bytes) {
  return {bytes, true, {}};
}

TEST(Policy, GrantsWhatFits) {
  EXPECT_EQ(decide(10, 10, {idle(50, 1)}).verdict, Verdict::kGrant);
  EXPECT_EQ(decide(0, 0, {}).verdict, Verdict::kGrant);
}

TEST(Policy, EvictsTheLeastRecentlyUsed) {
  const Decision decision = decide(10, 0, {idle(10, 3), idle(10, 1), idle(10, 2)});
  EXPECT_EQ(decision.verdict, Verdict::kEvict);
  EXPECT_THAT(decision.evict, ElementsAre(1));
}

TEST(Policy, EvictsNoMoreThanNeeded) {
  EXPECT_THAT(decide(15, 0, {idle(10, 1), idle(10, 2), idle(10, 3)}).evict, ElementsAre(0, 1));
  EXPECT_THAT(decide(100, 5, {idle(10, 1), idle(100, 2)}).evict, ElementsAre(1))
      << "the small one would not help";
}

TEST(Policy, NeverTakesWhatIsPinned) {
  EXPECT_THAT(decide(10, 0, {pinned(10), idle(10, 9)}).evict, ElementsAre(1));
  EXPECT_EQ(decide(10, 0, {pinned(100)}).verdict, Verdict::kRefuse);
}

TEST(Policy, EvictsNothingWhenItWouldNotBeEnough) {
  const Decision decision = decide(100, 10, {idle(40, 1), idle(40, 2), pinned(100)});
  EXPECT_EQ(decision.verdict, Verdict::kRefuse);
  EXPECT_THAT(decision.evict, IsEmpty());
}

}  // namespace
}  // namespace greenroom::core
