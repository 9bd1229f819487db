// What a GPU's context costs: memory that the driver takes for a program that uses the device, beside all
// that the program allocates.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/mutex.h"

namespace greenroom::app {

// Learns it from what is seen of one device. Before the first use it is assumed, since the load that is
// admitted then will find that much less. Thread-safe.
class ContextCost {
 public:
  static constexpr std::uint64_t kAssumed = 512ull << 20;
  static constexpr std::uint64_t kLargest = 2ull << 30;  // more than that is somebody else's memory
  static constexpr std::chrono::milliseconds kMeasureEvery{1000};

  struct Bytes {
    std::uint64_t now = 0;
    std::uint64_t to_come = 0;
  };

  // Borrows the clock.
  explicit ContextCost(const base::Clock& clock) : clock_(clock) {}

  // Is it time to ask the driver again what our processes hold?
  bool is_due() const EXCLUDES_LOCK(mutex_);
  // What the driver said of our processes (nullopt: it names none of them), while our allocators held `held`.
  void measure(std::optional<std::uint64_t> by_driver, std::uint64_t held) EXCLUDES_LOCK(mutex_);
  // Each reading of the device: where the driver does not name our processes (in a container), the context is
  // what went with the first use beside what was allocated.
  Bytes look(std::uint64_t free, std::uint64_t held) EXCLUDES_LOCK(mutex_);

 private:
  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  std::optional<base::Clock::TimePoint> measured_at_ GUARDED_BY(mutex_);
  std::uint64_t now_ GUARDED_BY(mutex_) = 0;
  std::uint64_t most_ GUARDED_BY(mutex_) = 0;  // 0: never seen
  bool is_told_ GUARDED_BY(mutex_) = false;    // by the driver, of the process that uses it now
  bool is_used_ GUARDED_BY(mutex_) = false;
  std::optional<std::uint64_t> free_before_ GUARDED_BY(mutex_);  // its first use
};

}  // namespace greenroom::app
