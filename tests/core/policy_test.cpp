#include "core/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using TimePoint = base::Clock::TimePoint;

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

TEST(Policy, CostTakesWhatIsCheapToBringBackAndRarelyUsed) {
  const TimePoint now{};
  const std::vector<Resident> residents{{.bytes = 100, .last_used = now, .uses = 1, .reload_seconds = 10},
                                        {.bytes = 100, .last_used = now, .uses = 1, .reload_seconds = 1},
                                        {.bytes = 100, .last_used = now, .uses = 5, .reload_seconds = 1},
                                        {.bytes = 1000, .last_used = now, .uses = 1, .reload_seconds = 1}};
  EXPECT_THAT(order(residents, EvictionPolicy::kCost), ElementsAre(3, 1, 2, 0));
  EXPECT_THAT(decide(50, 0, residents, EvictionPolicy::kCost).evict, ElementsAre(3));
}

TEST(Policy, TheYoungGoLast) {
  const TimePoint now{};
  const std::vector<Resident> residents{
      {.bytes = 100, .last_used = now, .young = true},
      {.bytes = 100, .last_used = now + std::chrono::seconds(5), .uses = 9, .reload_seconds = 9}};
  for (const EvictionPolicy policy : {EvictionPolicy::kCost, EvictionPolicy::kLru}) {
    EXPECT_THAT(decide(100, 0, residents, policy).evict, ElementsAre(1));
    EXPECT_THAT(decide(200, 0, residents, policy).evict, ElementsAre(1, 0)) << "but they go before a refusal";
  }
}

TEST(Policy, NamesGoBothWays) {
  for (const EvictionPolicy policy : {EvictionPolicy::kCost, EvictionPolicy::kLru}) {
    EXPECT_EQ(parse_eviction_policy(eviction_policy_name(policy)), policy);
  }
  EXPECT_EQ(parse_eviction_policy("oldest"), std::nullopt);
}

}  // namespace
}  // namespace greenroom::core
