#include "core/auto_management.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "support/fake_clock.h"

namespace greenroom::core {
namespace {

using std::chrono::seconds;

TEST(AutoManagement, DoesNothingUntilStartedThenOneTurnPerInterval) {
  test::FakeClock clock;
  std::atomic<int> turns = 0;
  AutoManagement management(clock, seconds(2), {{"count", [&] { ++turns; }}});
  EXPECT_FALSE(management.is_running());
  EXPECT_EQ(turns, 0);
  management.start();
  management.start();
  EXPECT_TRUE(management.is_running());
  clock.await_waits(1);
  EXPECT_EQ(turns, 1) << "one at once";
  clock.advance(seconds(1));
  clock.await_waits(2);
  EXPECT_EQ(turns, 1);
  clock.advance(seconds(1));
  clock.await_waits(3);
  EXPECT_EQ(turns, 2);
  management.stop();
  management.stop();
  EXPECT_FALSE(management.is_running());
  clock.advance(seconds(10));
  EXPECT_EQ(turns, 2);
}

TEST(AutoManagement, StartsAgainAfterAStop) {
  test::FakeClock clock;
  std::atomic<int> turns = 0;
  AutoManagement management(clock, seconds(2), {{"count", [&] { ++turns; }}});
  management.start();
  clock.await_waits(1);
  management.stop();
  const int before = clock.waits();
  management.start();
  clock.await_waits(before + 1);
  EXPECT_GE(turns, 2);
}

TEST(AutoManagement, ADutyThatFailsDoesNotKeepTheOthersFromTheirs) {
  const test::FakeClock clock;
  int turns = 0;
  AutoManagement management(
      clock, seconds(2),
      {{"fail", [] { throw base::Error(base::ErrorCode::kUnavailable, "expected by the test"); }},
       {"count", [&] { ++turns; }}});
  management.run_once();
  EXPECT_EQ(turns, 1);
}

TEST(AutoManagement, EndsItsThreadWhenDestroyed) {
  test::FakeClock clock;
  std::atomic<int> turns = 0;
  {
    AutoManagement management(clock, seconds(2), {{"count", [&] { ++turns; }}});
    management.start();
  }
  const int after = turns;
  clock.advance(seconds(10));
  EXPECT_EQ(turns, after);
}

}  // namespace
}  // namespace greenroom::core
