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

  void advance(std::chrono::nanoseconds step) { now_ns_ += step.count(); }

 private:
  std::atomic<std::int64_t> now_ns_{1};
};

}  // namespace greenroom::test
