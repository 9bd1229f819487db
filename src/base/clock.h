// Time as something handed in, so that tests decide what it is.
#pragma once

#include <chrono>

namespace greenroom::base {

// Thread-safe.
class Clock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
};

// Thread-safe.
class SystemClock : public Clock {
 public:
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace greenroom::base
