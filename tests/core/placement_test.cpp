#include "core/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::core {
namespace {

using ::testing::HasSubstr;

const base::DeviceId kCpu{base::DeviceKind::kCpu, 0};
const base::DeviceId kFirst{base::DeviceKind::kCuda, 0};
const base::DeviceId kSecond{base::DeviceKind::kCuda, 1};

std::optional<base::DeviceId> placed(const std::vector<PlacementCandidate>& candidates,
                                     const PlacementRules& rules = {}) {
  return place(candidates, rules).device;
}

TEST(Placement, WhereMostOfItIs) {
  EXPECT_EQ(placed({{kFirst, 10, 90, 1000}, {kSecond, 60, 40, 100}}), kSecond);
}

TEST(Placement, ThenWhereMostRoomIs) {
  EXPECT_EQ(placed({{kFirst, 0, 100, 500}, {kSecond, 0, 100, 600}}), kSecond);
}

TEST(Placement, ThenTheLessBusy) {
  EXPECT_EQ(placed({{kFirst, 0, 100, 500, 80}, {kSecond, 0, 100, 500, 10}}), kSecond);
  EXPECT_EQ(placed({{kFirst, 0, 100, 500, std::nullopt}, {kSecond, 0, 100, 500, 99}}), kSecond);
  EXPECT_EQ(placed({{kFirst, 0, 100, 500, 5}, {kSecond, 0, 100, 500, 5}}), kFirst);
  EXPECT_EQ(placed({{kFirst, 0, 100, 1000, 80}, {kSecond, 0, 100, 990, 10}}), kSecond)
      << "about as much room is a tie";
  EXPECT_EQ(placed({{kFirst, 0, 100, 1000, 80}, {kSecond, 0, 100, 700, 10}}), kFirst);
  EXPECT_EQ(placed({{kFirst, 0, 100, 990, 5}, {kSecond, 0, 100, 1000, 5}}), kSecond);
}

TEST(Placement, NotWhereTheRestHasNoRoom) {
  EXPECT_EQ(placed({{kFirst, 60, 40, 30}, {kSecond, 0, 100, 200}}), kSecond);
}

TEST(Placement, TheCpuOnlyWhenNoGpuHasRoomAndItMay) {
  EXPECT_EQ(placed({{kCpu, 100, 0, 9999}, {kFirst, 0, 100, 100}}), kFirst);
  EXPECT_EQ(placed({{kCpu, 0, 100, 9999}, {kFirst, 0, 100, 99}}), kCpu);
  EXPECT_EQ(placed({{kCpu, 0, 100, 9999}, {kFirst, 0, 100, 99}}, {.allow_cpu = false}), kFirst)
      << "its refusal says what is missing";
  EXPECT_EQ(placed({{kCpu, 0, 100, 9999}}), kCpu);
}

TEST(Placement, WhereItLacksTheLeastWhenNothingHasRoom) {
  const auto placement = place({{kCpu, 0, 100, 10}, {kFirst, 0, 100, 50}, {kSecond, 0, 100, 40}}, {});
  EXPECT_EQ(placement.device, kFirst);
  EXPECT_THAT(placement.reason, HasSubstr("nothing has room"));
}

TEST(Placement, TheUsersChoiceAlone) {
  EXPECT_EQ(placed({{kFirst, 100, 0, 100}, {kSecond, 0, 100, 0}}, {.pinned = kSecond}), kSecond);
}

TEST(Placement, NotWhereModelsCannotRun) {
  EXPECT_EQ(placed({{kFirst, 100, 0, 100}, {kSecond, 0, 100, 100}}, {.unusable = {kFirst}}), kSecond);
}

TEST(Placement, NoneWhereNothingMayBeUsed) {
  EXPECT_EQ(placed({}), std::nullopt);
  EXPECT_EQ(placed({{kCpu, 0, 1, 1}}, {.allow_cpu = false}), std::nullopt);
}

}  // namespace
}  // namespace greenroom::core
