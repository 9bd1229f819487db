#include "core/simulation.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"

namespace greenroom::core {
namespace {

using TimePoint = base::Clock::TimePoint;

// A model that only has sizes. Immutable.
class SizedModel final : public Model {
 public:
  explicit SizedModel(const TraceModel& model) : stages_{{"run", {}}} {
    for (const auto& [name, bytes] : model.components) {
      stages_[0].components.push_back(specs_.size());
      specs_.push_back({name, {}, "simulated", bytes});
    }
  }
  std::string type() const override { return "simulated"; }
  const std::vector<ComponentSpec>& components() const override { return specs_; }
  const std::vector<Stage>& stages() const override { return stages_; }
  std::shared_ptr<LoadedComponent> load_component(std::size_t, base::DeviceId,
                                                  const LoadControl&) const override {
    throw base::Error(base::ErrorCode::kInternal, "a simulated model was loaded for real");
  }

 private:
  std::vector<ComponentSpec> specs_;
  std::vector<Stage> stages_;
};

class Counter final : public EventSink {
 public:
  void publish(const Event& event) override {
    if (event.type == EventType::kEvicted) ++evictions;
    if (event.type == EventType::kMemoryMissing) missing += event.bytes;
  }
  std::uint64_t evictions = 0;
  std::uint64_t missing = 0;
};

class Simulator {
 public:
  Simulator(const Trace& trace, const SimulationOptions& options) : trace_(trace), options_(options) {
    std::vector<DeviceBudget> devices = options.devices;
    for (DeviceBudget& device : devices) {
      SimulatedHost::Options hardware = options.hardware;
      if (hardware.total_bytes == 0) hardware.total_bytes = device.bytes + hardware.context_bytes;
      auto host = std::make_shared<SimulatedHost>(hardware, clock_);
      host->set_before_load([this](const ComponentSpec& spec) { fail_when_told(spec); });
      hosts_[device.device] = host;
      device.host = host;
    }
    manager_ = std::make_unique<Manager>(devices, clock_, &counter_, options.manager);
    for (const TraceModel& model : trace.models) models_.push_back(std::make_shared<SizedModel>(model));
  }

  SimulationResult run() {
    constexpr std::chrono::seconds kSweepEvery{60};
    TimePoint next_sweep{kSweepEvery};
    for (const TraceEvent& event : trace_.events) {
      const TimePoint at{event.at};
      for (; next_sweep <= at; next_sweep += kSweepEvery) {
        move_to(next_sweep);
        manager_->sweep(options_.idle_timeout);
      }
      move_to(at);
      std::visit([this](const auto& what) { happen(what); }, event.what);
      check();
    }
    return conclude();
  }

 private:
  struct Running {
    Lease lease;
    TimePoint end;
  };

  void move_to(TimePoint time) {
    while (!running_.empty() && running_.begin()->first <= time) end_first();
    clock_.move_to(time);
  }
  void end_first() {
    clock_.move_to(running_.begin()->first);
    running_.erase(running_.begin());
  }

  void fail_when_told(const ComponentSpec& spec) {
    if (failures_ == 0) return;
    --failures_;
    throw base::Error(base::ErrorCode::kDataLoss, spec.kind + ": the trace says that this read fails");
  }

  void happen(const TraceRequest& request) {
    ++result_.requests;
    const std::string& id = trace_.models[request.model].name;
    const auto started = clock_.now();
    bool has_waited = false;
    for (;;) {
      try {
        if (attempt(id, request)) break;
      } catch (const base::Error& error) {
        if (error.code() != base::ErrorCode::kResourceExhausted) {
          ++result_.failed;
          break;
        }
      }
      if (running_.empty()) {
        ++result_.refused;
        break;
      }
      has_waited = true;
      end_first();
    }
    if (has_waited) ++result_.waited;
    const std::chrono::duration<double> took = clock_.now() - started;
    result_.load_seconds += took.count();
  }

  bool attempt(const std::string& id, const TraceRequest& request) {
    const auto& model = models_[request.model];
    const bool was_there = manager_->model_status(id) == ModelStatus::kLoaded;
    if (!was_there) manager_->preload(id, model, device_for(model));
    Lease lease = manager_->lease(id, kAllStages, request.workspace_bytes);
    if (was_there) ++result_.hits;
    running_.emplace(clock_.now() + request.run, std::move(lease));
    return true;
  }

  base::DeviceId device_for(const std::shared_ptr<const Model>& model) const {
    if (options_.devices.size() == 1) return options_.devices.front().device;
    return *manager_->place({{"", model}}, {}, {}).device;
  }

  SimulatedHost& host(base::DeviceId device) {
    const auto found = hosts_.find(device);
    if (found != hosts_.end()) return *found->second;
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("the trace speaks of {}, which has no budget here", base::to_string(device)));
  }
  void happen(const TraceForeign& foreign) { host(foreign.device).set_foreign(foreign.bytes); }
  void happen(const TraceFragmented& fragmented) { host(fragmented.device).set_fragmented(fragmented.bytes); }
  void happen(const TraceLeak& leak) { host(leak.device).leak_next(leak.frees); }
  void happen(const TraceFail& fail) { failures_ = fail.loads; }
  void happen(const TraceUnload& unload) {
    const std::string& id = trace_.models[unload.model].name;
    if (manager_->model_status(id) == ModelStatus::kLoaded) manager_->unload(id);
  }
  void happen(const TracePin& pin) { manager_->configure(trace_.models[pin.model].name, {.pin = pin.pin}); }

  void check() {
    for (const DeviceMemory& memory : manager_->memory()) {
      result_.most_used_bytes = std::max(result_.most_used_bytes, memory.totals.used());
      const bool breached = memory.totals.used() > memory.totals.capacity ||
                            hosts_.at(memory.device)->live_bytes() > memory.totals.capacity;
      if (breached) ++result_.breaches;
    }
  }

  SimulationResult conclude() {
    while (!running_.empty()) end_first();
    result_.virtual_seconds = std::chrono::duration<double>(clock_.now().time_since_epoch()).count();
    result_.decisions = manager_->decisions("", options_.most_decisions);
    result_.evictions = counter_.evictions;
    for (const ModelInfo& model : manager_->list()) {
      manager_->configure(model.id, {});
      manager_->unload(model.id, UnloadMode::kForce);
    }
    for (const auto& [device, host] : hosts_) {
      manager_->trim(device);
      result_.loaded_bytes += host->loaded_bytes();
      result_.promoted_bytes += host->promoted_bytes();
    }
    for (const DeviceMemory& memory : manager_->memory()) result_.left_bytes += memory.totals.used();
    result_.missing_bytes = counter_.missing;
    return std::move(result_);
  }

  const Trace& trace_;
  const SimulationOptions& options_;
  VirtualClock clock_;
  Counter counter_;
  std::map<base::DeviceId, std::shared_ptr<SimulatedHost>> hosts_;
  std::unique_ptr<Manager> manager_;
  std::vector<std::shared_ptr<const Model>> models_;
  std::multimap<TimePoint, Lease> running_;  // by their end
  int failures_ = 0;
  SimulationResult result_;
};

}  // namespace

void VirtualClock::move_to(TimePoint time) const {
  const std::int64_t wanted = time.time_since_epoch().count();
  for (std::int64_t now = now_ns_; now < wanted && !now_ns_.compare_exchange_weak(now, wanted);) {
  }
}

SimulationResult simulate(const Trace& trace, const SimulationOptions& options) {
  return Simulator(trace, options).run();
}

std::uint64_t clairvoyant_bytes(const Trace& trace, std::uint64_t budget) {
  struct Request {
    const TraceModel* model;
    std::uint64_t workspace;
  };
  std::vector<Request> requests;
  std::map<std::string, std::vector<std::size_t>> wanted_at;
  for (const TraceEvent& event : trace.events) {
    const auto* request = std::get_if<TraceRequest>(&event.what);
    if (request == nullptr) continue;
    for (const auto& [name, bytes] : trace.models[request->model].components) {
      wanted_at[name].push_back(requests.size());
    }
    requests.push_back({&trace.models[request->model], request->workspace_bytes});
  }
  std::map<std::string, std::uint64_t> present;
  std::set<std::pair<std::size_t, std::string>> by_next_use;
  const auto next_use = [&](const std::string& name, std::size_t after) {
    const auto& uses = wanted_at[name];
    const auto next = std::upper_bound(uses.begin(), uses.end(), after);
    return next == uses.end() ? std::numeric_limits<std::size_t>::max() : *next;
  };
  std::uint64_t used = 0;
  std::uint64_t loaded = 0;
  for (std::size_t now = 0; now < requests.size(); ++now) {
    std::uint64_t needed = requests[now].workspace;
    for (const auto& [name, bytes] : requests[now].model->components) {
      by_next_use.erase({now, name});  // not to go for its own request
      if (present.count(name) == 0) needed += bytes;
    }
    while (used + needed > budget && !by_next_use.empty()) {
      const auto victim = std::prev(by_next_use.end());
      used -= present[victim->second];
      present.erase(victim->second);
      by_next_use.erase(victim);
    }
    for (const auto& [name, bytes] : requests[now].model->components) {
      if (present.emplace(name, bytes).second) {
        used += bytes;
        loaded += bytes;
      }
      by_next_use.emplace(next_use(name, now), name);
    }
  }
  return loaded;
}

}  // namespace greenroom::core
