#include "base/clock.h"

#include <gtest/gtest.h>

#include <thread>

#include "support/fake_clock.h"

namespace greenroom::base {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Clock, WaitingForAPastTimeReturns) {
  const SystemClock clock;
  Mutex mutex;
  CondVar condition;
  MutexLock lock(mutex);
  clock.wait_until(condition, mutex, clock.now() - milliseconds(1));
}

TEST(Clock, AFakeOneWakesItsWaitersWhenATestSaysSo) {
  test::FakeClock clock;
  Mutex mutex;
  CondVar condition;
  const auto deadline = clock.now() + seconds(10);
  {
    const std::jthread waiter([&] {
      MutexLock lock(mutex);
      while (clock.now() < deadline) clock.wait_until(condition, mutex, deadline);
    });
    clock.await_waits(1);
    clock.advance(seconds(4));
    clock.await_waits(2);
    EXPECT_LT(clock.now(), deadline);
    clock.advance(seconds(6));
  }
  EXPECT_GE(clock.now(), deadline);
}

TEST(Clock, AFakeOneLetsOthersWakeItsWaitersToo) {
  test::FakeClock clock;
  Mutex mutex;
  CondVar condition;
  bool done = false;
  const auto start = clock.now();
  {
    const std::jthread waiter([&] {
      MutexLock lock(mutex);
      while (!done) clock.wait_until(condition, mutex, start + seconds(10));
    });
    clock.await_waits(1);
    MutexLock lock(mutex);
    done = true;
    condition.notify_all();
  }
  EXPECT_EQ(clock.now(), start);
}

}  // namespace
}  // namespace greenroom::base
