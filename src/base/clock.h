// Time as something handed in, so that tests decide what it is.
#pragma once

#include <chrono>
#include <thread>

#include "base/mutex.h"

namespace greenroom::base {

// Thread-safe.
class Clock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using WallTime = std::chrono::system_clock::time_point;
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  // For stamps that people read. May jump; never for durations.
  virtual WallTime wall_now() const { return std::chrono::system_clock::now(); }
  // Returns when that much of this clock's time has passed.
  virtual void sleep_for(std::chrono::nanoseconds duration) const { std::this_thread::sleep_for(duration); }
  // As CondVar::wait, but returns when this clock reaches `deadline` at the latest. May wake without cause.
  virtual void wait_until(CondVar& condition, Mutex& mutex, TimePoint deadline) const REQUIRES_LOCK(mutex) {
    condition.wait_until(mutex, deadline);
  }
};

// Thread-safe.
class SystemClock : public Clock {
 public:
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace greenroom::base
