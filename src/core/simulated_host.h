// A device that exists only as numbers: for simulations, tests and rehearsals without the hardware.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "core/host.h"

namespace greenroom::core {

// Loads take the time of its clock that they would take on such a device and occupy what their specs say;
// nothing is read. Thread-safe.
class SimulatedHost final : public DeviceHost, public std::enable_shared_from_this<SimulatedHost> {
 public:
  struct Options {
    std::uint64_t total_bytes = 0;
    std::uint64_t context_bytes = 0;  // what a driver takes for itself as soon as it is used
    double disk_bytes_per_second = 1e9;
    double host_bytes_per_second = 1e10;
    std::chrono::nanoseconds seek{0};  // of every load
    std::chrono::nanoseconds lag{0};   // freed bytes are reported, and there, only so much later
  };

  // The clock is borrowed and outlives the host.
  SimulatedHost(const Options& options, const base::Clock& clock) : options_(options), clock_(clock) {}

  std::shared_ptr<LoadedComponent> load(const Model& model, std::size_t index, base::DeviceId device,
                                        const LoadControl& control) override;
  void free(std::shared_ptr<LoadedComponent> weights) noexcept override;
  void drop_caches() noexcept override {}
  std::optional<DeviceReading> read() noexcept override;

  // What other programs hold, from now on.
  void set_foreign(std::uint64_t bytes);
  // What no single allocation can have, scattered as it is.
  void set_fragmented(std::uint64_t bytes);
  // Freed bytes of the next `frees` components never come back.
  void leak_next(int frees);
  // Called at the start of each load, with no lock held; may throw base::Error.
  void set_before_load(std::function<void(const ComponentSpec&)> before_load);

  std::uint64_t live_bytes() const;  // of weights
  std::uint64_t peak_bytes() const;
  std::uint64_t loaded_bytes() const;    // of all loads so far, from disk
  std::uint64_t promoted_bytes() const;  // from host memory

 private:
  friend class SimulatedWeights;
  void give_back(std::uint64_t bytes);
  // Takes what has come back by now out of the lagging bytes.
  std::uint64_t lagging() REQUIRES_LOCK(mutex_);
  std::uint64_t available() REQUIRES_LOCK(mutex_);

  const Options options_;
  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  std::function<void(const ComponentSpec&)> before_load_ GUARDED_BY(mutex_);
  std::uint64_t foreign_ GUARDED_BY(mutex_) = 0;
  std::uint64_t fragmented_ GUARDED_BY(mutex_) = 0;
  std::uint64_t live_ GUARDED_BY(mutex_) = 0;
  std::uint64_t peak_ GUARDED_BY(mutex_) = 0;
  std::uint64_t leaked_ GUARDED_BY(mutex_) = 0;
  std::uint64_t loaded_ GUARDED_BY(mutex_) = 0;
  std::uint64_t promoted_ GUARDED_BY(mutex_) = 0;
  int leaks_to_come_ GUARDED_BY(mutex_) = 0;
  std::deque<std::pair<base::Clock::TimePoint, std::uint64_t>> lagging_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::core
