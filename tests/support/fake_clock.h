// Time that stands still until a test moves it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace greenroom::test {

// Thread-safe.
class FakeClock final : public base::Clock {
 public:
  TimePoint now() const override { return TimePoint(std::chrono::nanoseconds(now_ns_.load())); }
  WallTime wall_now() const override {
    return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(now_ns_.load())));
  }
  void sleep_for(std::chrono::nanoseconds duration) const override { advance(duration); }

  void wait_until(base::CondVar& condition, base::Mutex& mutex, TimePoint deadline) const override
      REQUIRES_LOCK(mutex) {
    const Waiter waiter{&condition, &mutex};
    bool is_over = false;
    {
      base::MutexLock lock(mutex_);
      is_over = now() >= deadline;
      if (!is_over) waiters_.push_back(waiter);
      ++waits_;
      changed_.notify_all();
    }
    if (is_over) return;
    condition.wait(mutex);
    // advance() may still be about to wake this waiter, whose owner may be gone once we return.
    mutex.unlock();
    {
      base::MutexLock lock(mutex_);
      waiters_.erase(std::find(waiters_.begin(), waiters_.end(), waiter));
      // Only those that began before know it: later ones come without end when a test advances in a loop.
      const std::uint64_t later = next_advance_;
      while (!advancing_.empty() && *advancing_.begin() < later) changed_.wait(mutex_);
    }
    mutex.lock();
  }

  // Wakes who waits for a later time. Must not be called with a lock that a waiter needs.
  void advance(std::chrono::nanoseconds step) const {
    now_ns_ += step.count();
    std::vector<Waiter> waiters;
    std::uint64_t number = 0;
    {
      base::MutexLock lock(mutex_);
      number = next_advance_++;
      advancing_.insert(number);
      waiters = waiters_;
    }
    for (const Waiter& waiter : waiters) {
      base::MutexLock lock(*waiter.mutex);
      waiter.condition->notify_all();
    }
    base::MutexLock lock(mutex_);
    advancing_.erase(number);
    changed_.notify_all();
  }

  // Returns once wait_until was called `count` times in all.
  void await_waits(int count) const {
    base::MutexLock lock(mutex_);
    while (waits_ < count) changed_.wait(mutex_);
  }
  int waits() const {
    base::MutexLock lock(mutex_);
    return waits_;
  }

 private:
  struct Waiter {
    base::CondVar* condition;
    base::Mutex* mutex;
    bool operator==(const Waiter&) const = default;
  };

  mutable std::atomic<std::int64_t> now_ns_{1};
  mutable base::Mutex mutex_;
  mutable base::CondVar changed_;
  mutable std::vector<Waiter> waiters_ GUARDED_BY(mutex_);
  mutable int waits_ GUARDED_BY(mutex_) = 0;
  mutable std::uint64_t next_advance_ GUARDED_BY(mutex_) = 0;
  mutable std::set<std::uint64_t> advancing_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::test
