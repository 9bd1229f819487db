#include "app/engine.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <random>
#include <thread>
#include <utility>

#include "app/catalog.h"
#include "app/cost_document.h"
#include "app/default_tasks.h"
#include "app/device_budgets.h"
#include "app/task_document.h"
#include "base/error.h"
#include "base/log.h"
#include "base/process.h"
#include "models/ddsp_svc/workspace.h"

namespace greenroom::app {
namespace {

using base::DeviceId;
using base::Error;
using base::ErrorCode;

// A device that was lost is a fact to report, not the end of everything else.
devices::DeviceMemory read_memory(const devices::Device& device, std::string& problem) {
  try {
    return device.memory();
  } catch (const Error& error) {
    problem = error.what();
    return {};
  }
}

// For the jitter of retries.
double chance() {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_real_distribution<double>()(random);
}

constexpr const char* kLoadCosts = "loads";
constexpr const char* kWorkspace = "workspace";

// But for the uses, which fade as time goes by: they are written along when something else has changed.
bool same_costs(const std::vector<core::LearntLoad>& a, const std::vector<core::LearntLoad>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const core::LearntLoad& x, const core::LearntLoad& y) {
                      return x.file == y.file && x.kind == y.kind && x.variant == y.variant &&
                             x.modified_ns == y.modified_ns && x.disk_seconds == y.disk_seconds &&
                             x.host_seconds == y.host_seconds;
                    });
}

}  // namespace

Engine::Engine(Config config)
    : config_(std::move(config)),
      started_(clock_.now()),
      discovery_(devices::discover()),
      runtime_(config_, clock_),
      state_(config_.cache_dir, config_.max_events),
      configured_(config_),
      events_(&state_.history()),
      speech_models_(runtime_,
                     config_.cache_dir.empty() ? std::filesystem::path() : config_.cache_dir / "voices") {
  if (!discovery_.warning.empty()) base::log(base::LogLevel::kWarning, "app", discovery_.warning);
  use_kept_settings();
  metrics_ = std::make_unique<EngineMetrics>(GREENROOM_VERSION, [this] { return metrics_state(); });
  event_tap_ = std::make_unique<EventTap>(*metrics_, &events_);
  manager_ = std::make_unique<core::Manager>(make_budgets(config_, discovery_, runtime_, clock_), clock_,
                                             event_tap_.get(),
                                             make_manager_options(config_, *discovery_.devices.front()));
  last_request_ = clock_.now();
  baseline_ = std::make_unique<core::Baseline>(*manager_, clock_, [this] { return quiet_time(); });
  registry_ = std::make_unique<ModelRegistry>(state_.store(), *manager_, *baseline_, model_source());
  tasks_ = std::make_unique<core::TaskProfiles>(
      *manager_, clock_, [this](const core::PreloadConfig& preload) { return resolve(preload); });
  register_default_tasks();
  use_kept_tasks();
  use_kept_costs();
  holds_ = std::make_unique<core::Holds>(*manager_, clock_, base::process_start);
  recovery_ = std::make_unique<core::RecoveryExecutor>(
      clock_, [this](core::Event event) { manager_->publish(std::move(event)); }, chance);
  std::vector<DeviceId> devices;
  for (const auto& device : discovery_.devices) devices.push_back(device->id());
  requests_ = std::make_unique<Requests>(*manager_, clock_, *recovery_, devices, config_.queue);
  caretaker_ = std::make_unique<Caretaker>(
      *manager_, clock_, [this] { return memory_readings(); }, [this] { return gpu_settings(); });
  monitoring_ = make_monitoring();
  if (auto* workers = runtime_.workers()) {
    workers->set_on_lost([this](DeviceId device, const std::string& how) {
      try {
        manager_->forget_lost(device, how);
      } catch (const std::exception& error) {  // out of memory: it stays in the books until it is unloaded
        base::log(base::LogLevel::kError, "app", error.what());
      }
      auto_management_->wake();  // brings back what was lost
    });
  }
  constexpr std::chrono::seconds kInterval{2};
  auto_management_ = std::make_unique<core::AutoManagement>(clock_, kInterval, duties());
}

Engine::~Engine() {
  if (auto* workers = runtime_.workers()) workers->set_on_lost({});
  auto_management_->stop();
  try {
    keep_costs();
  } catch (const std::exception& error) {
    base::log(base::LogLevel::kWarning, "app", fmt::format("what was learnt is not kept: {}", error.what()));
  }
}

std::vector<core::Duty> Engine::duties() {
  return {{"clean-up", [this] { caretaker_->look(); }},
          {"clean-up after tasks",
           [this] {
             if (gpu_settings().auto_cleanup_enabled) tasks_->sweep(idle_timeout());
           }},
          {"clients' holds", [this] { holds_->sweep(); }},
          {"worker processes",
           [this] {
             if (auto* workers = runtime_.workers()) workers->end_idle();
             manager_->restore_lost();
           }},
          {"baseline models", [this] { baseline_->restore(); }},
          {"learnt costs", [this] { keep_costs(); }}};
}

std::chrono::nanoseconds Engine::idle_timeout() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double, std::ratio<60>>(gpu_settings().idle_timeout_minutes));
}

std::chrono::nanoseconds Engine::quiet_time() const {
  for (const auto& model : manager_->list()) {
    if (model.leases > 0 || model.waiting > 0) return std::chrono::nanoseconds(0);
  }
  return std::min(requests_->quiet_for(), clock_.now() - last_request_.load());
}

std::uint64_t Engine::take_hold(const std::string& owner, const std::vector<std::string>& model_ids,
                                std::optional<std::chrono::nanoseconds> lifetime, int pid) {
  core::HoldRequest request{owner, pid, {}, lifetime};
  request.members.reserve(model_ids.size());
  for (const auto& id : model_ids) request.members.push_back(resolve(id));
  return holds_->take(request);
}

void Engine::register_default_tasks() {
  for (const auto& profile : default_tasks(config_)) tasks_->register_task_profile(profile);
}

void Engine::use_kept_tasks() {
  for (const auto& [name, document] : state_.store().all(StateStore::Kind::kTaskProfile)) {
    try {
      tasks_->register_task_profile(task_profile_from(document, name));
    } catch (const Error& error) {
      base::log(base::LogLevel::kWarning, "app", fmt::format("{}; it is not used", error.what()));
    }
  }
}

void Engine::use_kept_costs() {
  const auto use = [&](const char* key, const std::function<void(const std::string&)>& learn) {
    const auto kept = state_.store().get(StateStore::Kind::kLearntCost, key);
    if (!kept) return;
    try {
      learn(*kept);
    } catch (const Error& error) {
      base::log(base::LogLevel::kWarning, "app", fmt::format("{}; they are learnt anew", error.what()));
    }
  };
  use(kLoadCosts, [&](const std::string& kept) { manager_->learn(learnt_loads_from(kept)); });
  use(kWorkspace,
      [&](const std::string& kept) { manager_->workspace_profile().learn(learnt_workspace_from(kept)); });
  base::MutexLock lock(mutex_);
  kept_loads_ = manager_->learnt();
  kept_workspace_ = manager_->workspace_profile().learnt();
}

void Engine::keep_costs() {
  auto loads = manager_->learnt();
  auto workspace = manager_->workspace_profile().learnt();
  decltype(loads) old_loads;
  decltype(workspace) old_workspace;
  bool loads_changed = false;
  bool workspace_changed = false;
  {
    base::MutexLock lock(mutex_);
    loads_changed = !same_costs(loads, kept_loads_);
    workspace_changed = workspace != kept_workspace_;
    old_loads = loads_changed ? std::exchange(kept_loads_, loads) : loads;
    old_workspace = workspace_changed ? std::exchange(kept_workspace_, workspace) : workspace;
  }
  auto& store = state_.store();
  if (loads_changed) {
    store.update(StateStore::Kind::kLearntCost, kLoadCosts,
                 [&](const auto& kept) { return merged_loads(kept, old_loads, loads); });
  }
  if (workspace_changed) {
    store.update(StateStore::Kind::kLearntCost, kWorkspace,
                 [&](const auto& kept) { return merged_workspace(kept, old_workspace, workspace); });
  }
}

void Engine::register_task(const core::TaskProfile& profile) {
  tasks_->register_task_profile(profile);
  state_.store().put(StateStore::Kind::kTaskProfile, profile.task_name, to_document(profile));
}

bool Engine::remove_task(const std::string& task) {
  state_.store().remove(StateStore::Kind::kTaskProfile, task);
  return tasks_->remove_task_profile(task);
}

// Of the calling thread. Runs side by side share the cores: more threads than these only get in each other's
// way. The share is the same when one runs alone, for another number of threads would be another rounding.
void Engine::use_threads() const {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const int share = std::max(1, cores / std::max(1, config_.queue.concurrency));
  runtime_.library().set_threads(config_.threads > 0 ? config_.threads : share);
}

models::ConvertResult Engine::convert(const std::string& model_id, const audio::Buffer& input,
                                      const models::ConvertOptions& options,
                                      const models::RunControl& control, const RequestOptions& request) {
  check_type(model_id, "ddsp_svc");
  use_threads();
  last_request_ = clock_.now();
  manager_->touch(model_id);
  tasks_->note_use(model_id);
  int degradations = 0;
  RunRequest run;
  run.name = "convert";
  run.model_id = model_id;
  run.cost = 1 + input.seconds();
  run.options = request;
  // Whoever made the token made it as one that can be set; the queue sets it when it is asked to.
  run.cancelled = std::const_pointer_cast<std::atomic<bool>>(control.cancelled);
  run.resolve = [&] { return resolve(model_id); };
  run.fallbacks = fallbacks(model_id);
  run.degradations = [&] { return degradations; };
  models::ConvertResult result;
  requests_->run(run, [&](const RunTurn& turn) {
    // Only the catalog makes models, and its conversion models are those of this type.
    const auto& voice = static_cast<const models::ConversionModel&>(turn.run.model());
    degradations = voice.degradations();
    auto chosen = options;
    chosen.degradation = turn.degradation;
    measured(voice.type(), [&] {
      result = voice.convert(turn.run, turn.run.device(), input, chosen, {control.progress, turn.cancelled});
      return result.stage_times;
    });
    result.notices.insert(result.notices.begin(), turn.notices.begin(), turn.notices.end());
  });
  last_request_ = clock_.now();
  tasks_->note_use(model_id);
  return result;
}

std::optional<core::ModelInfo> Engine::model_info(const std::string& model_id) const {
  return manager_->model_info(model_id);
}

void Engine::cancel_load(const std::string& model_id) {
  manager_->cancel_load(model_id);
}

std::vector<worker::WorkerInfo> Engine::workers() const {
  const auto* workers = runtime_.workers();
  return workers != nullptr ? workers->list() : std::vector<worker::WorkerInfo>();
}

std::uint64_t Engine::free_idle() {
  std::uint64_t bytes = 0;
  for (const auto& device : discovery_.devices) bytes += manager_->trim(device->id());
  return bytes;
}

Status Engine::status() const {
  Status status;
  status.uptime_seconds = std::chrono::duration<double>(clock_.now() - started_).count();
  const auto memory = manager_->memory();
  const auto sample = monitoring_->latest();
  for (const auto& device : discovery_.devices) {
    DeviceStatus entry{device->id(), device->name()};
    if (sample) {
      const auto reading = std::find_if(sample->readings.begin(), sample->readings.end(),
                                        [&](const auto& one) { return one.device == entry.id; });
      entry.memory = reading->memory.value_or(devices::DeviceMemory());
      entry.problem = reading->problem;
      entry.telemetry = reading->telemetry;
      entry.processes = reading->processes;
    } else {
      entry.memory = read_memory(*device, entry.problem);
    }
    entry.uuid = device->uuid();
    for (const auto& ours : memory) {
      if (ours.device != entry.id) continue;
      entry.ledger = ours.totals;
      entry.components = ours.components;
    }
    status.devices.push_back(std::move(entry));
  }
  status.models = models();
  status.state_problems = state_.problems();
  return status;
}

}  // namespace greenroom::app
