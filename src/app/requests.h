// The way of a request to its model: queue, load on demand, run, and recovery from what goes wrong.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/device_id.h"
#include "core/manager.h"
#include "core/recovery_executor.h"
#include "core/request_queue.h"

namespace greenroom::app {

// How a request is treated beside others.
struct RequestOptions {
  std::uint64_t id = 0;  // from Requests::next_id(), to cancel it by; 0: it gets one
  int priority = 0;      // -10..10, higher goes first
  std::optional<std::chrono::nanoseconds> timeout;  // from now: it does not begin later
  bool auto_load = true;                            // load the model when it is absent
  bool recover = true;                              // try to mend what fails
};

// One run of a model.
struct RunRequest {
  std::string name;  // "convert"
  std::string model_id;
  double cost = 1;  // see core::Request
  RequestOptions options;
  std::shared_ptr<std::atomic<bool>> cancelled;  // may be null
  // What the id stands for; asked when the model has to be loaded. Throws base::Error.
  std::function<core::GroupMember()> resolve;
  // The same for another device, where that makes a difference; may be empty.
  std::function<core::GroupMember(base::DeviceId)> resolve_on;
  // A model that needs nothing itself and loads in the run what it is about to use: stands in for `resolve`
  // when the run was asked to need less, also because the model itself did not fit. May be empty.
  std::function<core::GroupMember(base::DeviceId)> in_stages;
  std::vector<base::DeviceId> fallbacks;  // devices to try when the model's own fails, the CPU last
  std::function<int()> degradations;  // how often the run can be asked to need less; asked after one failed
};

// What the run is told.
struct RunTurn {
  core::Run& run;
  std::string model_id;  // as the manager knows it on this device
  int degradation = 0;
  const std::shared_ptr<std::atomic<bool>>& cancelled;  // to be looked at between steps
  // What was done about errors of earlier attempts; empty: this is the first.
  std::vector<std::string> notices;
};

// Thread-safe.
class Requests {
 public:
  // One queue per device. Borrows all but the options; everything outlives it.
  Requests(core::Manager& manager, const base::Clock& clock, core::RecoveryExecutor& recovery,
           const std::vector<base::DeviceId>& devices, const core::QueueOptions& options);

  // Waits for the request's turn and runs `act` in it. Throws base::Error: as core::RequestQueue::enter, and
  // what `act` throws after all that could be tried.
  void run(const RunRequest& request, const std::function<void(const RunTurn&)>& act);

  std::uint64_t next_id() { return ++last_id_; }
  // Ends its wait, or asks its run to end at the next step. False when there is no such request.
  bool cancel(std::uint64_t id);

  // Lets nobody in any more; who is inside goes on, until `deadline` at most. What is left then is cancelled.
  // Returns once nobody is inside.
  void drain(std::optional<base::Clock::TimePoint> deadline = std::nullopt);

  // Memory came free outside the queues' sight.
  void poke();

  std::map<base::DeviceId, core::QueueStats> stats() const;
  // How long nothing has waited or run.
  std::chrono::nanoseconds quiet_for() const;

 private:
  class Attempt;
  core::RequestQueue& queue(base::DeviceId device);

  core::Manager& manager_;
  const base::Clock& clock_;
  core::RecoveryExecutor& recovery_;
  std::map<base::DeviceId, core::RequestQueue> queues_;  // fixed at construction
  std::atomic<std::uint64_t> last_id_{0};
};

}  // namespace greenroom::app
