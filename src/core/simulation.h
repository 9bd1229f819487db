// Replays a trace with the real manager on simulated devices, in virtual time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "core/decision_log.h"
#include "core/manager.h"
#include "core/simulated_host.h"
#include "core/trace.h"

namespace greenroom::core {

// Time that passes only when somebody sleeps. Thread-safe.
class VirtualClock final : public base::Clock {
 public:
  TimePoint now() const override { return TimePoint(std::chrono::nanoseconds(now_ns_.load())); }
  WallTime wall_now() const override {
    return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(now_ns_.load())));
  }
  void sleep_for(std::chrono::nanoseconds duration) const override { now_ns_ += duration.count(); }
  void move_to(TimePoint time) const;  // never backwards

 private:
  mutable std::atomic<std::int64_t> now_ns_{0};
};

struct SimulationOptions {
  std::vector<DeviceBudget> devices;  // `host` is made by the simulation
  SimulatedHost::Options hardware;    // of every device; total_bytes 0: its budget and the context
  ManagerOptions manager;
  std::chrono::nanoseconds idle_timeout = std::chrono::minutes(30);
  std::size_t most_decisions = 0;  // of which are given back
};

struct SimulationResult {
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;     // the model was there
  std::uint64_t waited = 0;   // for a run to end, because nothing idle was left to go
  std::uint64_t refused = 0;  // would not fit with nothing else running
  std::uint64_t failed = 0;   // by an error put into the trace, or for want of one piece of memory
  std::uint64_t evictions = 0;
  std::uint64_t loaded_bytes = 0;         // from disk
  std::uint64_t promoted_bytes = 0;       // from host memory
  std::uint64_t missing_bytes = 0;        // freed and not come back in time
  double load_seconds = 0;                // spent by requests waiting for loads
  double virtual_seconds = 0;             // all of it
  std::uint64_t most_used_bytes = 0;      // of the ledger of any device
  std::uint64_t breaches = 0;             // moments at which a device held more than its budget
  std::uint64_t left_bytes = 0;           // still claimed when everything was unloaded
  std::vector<DecisionRecord> decisions;  // the latest first
};

// Throws base::Error(kInvalidArgument) when the trace names a device that there is none of.
SimulationResult simulate(const Trace& trace, const SimulationOptions& options);

// The least that could be loaded from disk by who knew the future: of what is idle, what is wanted again
// latest goes first. Exact for components of one size; one device, one request at a time, no host tier.
std::uint64_t clairvoyant_bytes(const Trace& trace, std::uint64_t budget);

}  // namespace greenroom::core
