// Time that stands still until a test moves it.
#pragma once

#include <atomic>
#include <chrono>

#include "base/clock.h"

namespace greenroom::test {

// Thread-safe.
class FakeClock final : public base::Clock {
 public:
  TimePoint now() const override { return TimePoint(std::chrono::nanoseconds(now_ns_.load())); }
  WallTime wall_now() const override {
    return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(now_ns_.load())));
  }
  void sleep_for(std::chrono::nanoseconds duration) const override { now_ns_ += duration.count(); }

  void advance(std::chrono::nanoseconds step) { now_ns_ += step.count(); }

 private:
  mutable std::atomic<std::int64_t> now_ns_{1};
};

}  // namespace greenroom::test
