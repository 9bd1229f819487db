#include "core/history.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/fake_clock.h"

namespace greenroom::core {
namespace {

using std::chrono::hours;

ComponentKey key(const std::string& name, int gpu = 0) {
  return {{base::DeviceKind::kCuda, gpu}, name, "f32", "/models/" + name, 10, 20};
}

TEST(UseCount, IsHalvedEveryHalfLife) {
  test::FakeClock clock;
  UseCount uses;
  for (int i = 0; i < 4; ++i) uses.add(clock.now());
  EXPECT_DOUBLE_EQ(uses.at(clock.now()), 4);
  clock.advance(UseCount::kHalfLife);
  EXPECT_NEAR(uses.at(clock.now()), 2, 1e-9);
  uses.add(clock.now());
  clock.advance(UseCount::kHalfLife);
  EXPECT_NEAR(uses.at(clock.now()), 1.5, 1e-9);
}

TEST(History, TakesTheMeasuredTimeElseTheRateOfOthers) {
  test::FakeClock clock;
  History history;
  const double guessed = history.seconds_from_disk(key("a"), 100 << 20);
  EXPECT_GT(guessed, 0);
  history.loaded(key("b"), 100 << 20, false, 10, clock.now());
  EXPECT_DOUBLE_EQ(history.seconds_from_disk(key("b"), 100 << 20), 10);
  EXPECT_GT(history.seconds_from_disk(key("a"), 100 << 20), guessed) << "the disk is slower than was thought";
  EXPECT_LT(history.seconds_from_host(key("b"), 100 << 20), 1);
  history.loaded(key("b"), 100 << 20, true, 2, clock.now());
  EXPECT_DOUBLE_EQ(history.seconds_from_host(key("b"), 100 << 20), 2);
}

TEST(History, IsTheSameForAllDevices) {
  test::FakeClock clock;
  History history;
  history.counter(key("a", 0), clock.now())->add(clock.now());
  EXPECT_DOUBLE_EQ(history.uses(key("a", 1), clock.now()), 1);
  EXPECT_DOUBLE_EQ(history.uses(key("b"), clock.now()), 0);
}

TEST(History, WhatWasLearntCanBeTaughtAgain) {
  test::FakeClock clock;
  History history;
  history.loaded(key("a"), 10, false, 3, clock.now());
  History other;
  other.learn(history.learnt(clock.now()), clock.now());
  EXPECT_DOUBLE_EQ(other.seconds_from_disk(key("a"), 10), 3);
  EXPECT_DOUBLE_EQ(other.uses(key("a"), clock.now()), 1);
}

TEST(History, NonsenseIsNotLearnt) {
  test::FakeClock clock;
  History history;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  history.learn({{"a", "f32", "/models/a", 10, 20, nan, 1, 1}, {"b", "f32", "/models/b", 10, 20, 1, -1, 1}},
                clock.now());
  EXPECT_TRUE(history.learnt(clock.now()).empty());
}

TEST(History, ForgetsTheLongestUnused) {
  test::FakeClock clock;
  History history;
  for (std::size_t i = 0; i <= History::kMost; ++i) {
    clock.advance(hours(1));
    history.loaded(key(std::to_string(i)), 1, false, 1, clock.now());
  }
  EXPECT_EQ(history.learnt(clock.now()).size(), History::kMost);
  EXPECT_EQ(history.uses(key("0"), clock.now()), 0);
}

}  // namespace
}  // namespace greenroom::core
