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
#include "app/model_library.h"
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

// What a plan needs of a model: sizes and identities, without libtorch. Immutable.
class DescribedModel final : public core::Model {
 public:
  explicit DescribedModel(std::vector<core::ComponentSpec> components) : components_(std::move(components)) {}
  std::string type() const override { return "ddsp_svc"; }
  const std::vector<core::ComponentSpec>& components() const override { return components_; }
  const std::vector<core::Stage>& stages() const override { return stages_; }
  std::shared_ptr<core::LoadedComponent> load_component(std::size_t, base::DeviceId,
                                                        const core::LoadControl&) const override {
    throw Error(ErrorCode::kInternal, "a model that was only described cannot be loaded");
  }

 private:
  std::vector<core::ComponentSpec> components_;
  std::vector<core::Stage> stages_;
};

constexpr const char* kLoadCosts = "loads";

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
      state_(config_.cache_dir, config_.max_events),
      gpu_settings_(config_.gpu),
      events_(&state_.history()) {
  if (!discovery_.warning.empty()) base::log(base::LogLevel::kWarning, "app", discovery_.warning);
  use_kept_settings();
  metrics_ = std::make_unique<EngineMetrics>(GREENROOM_VERSION, [this] { return metrics_state(); });
  event_tap_ = std::make_unique<EventTap>(*metrics_, &events_);
  manager_ = std::make_unique<core::Manager>(make_budgets(config_, discovery_), clock_, event_tap_.get(),
                                             make_manager_options(config_));
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
  caretaker_ = std::make_unique<Caretaker>(*manager_, discovery_.devices, [this] { return gpu_settings(); });
  monitoring_ = make_monitoring();
  constexpr std::chrono::seconds kInterval{2};
  auto_management_ = std::make_unique<core::AutoManagement>(clock_, kInterval, duties());
}

Engine::~Engine() {
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

core::GroupMember Engine::resolve(const core::PreloadConfig& config) {
  return registry_->resolve(registry_->add(config.model_path, config.device == "auto" ? "" : config.device));
}

core::GroupMember Engine::resolve(const std::string& model_id) {
  if (registry_->find(model_id)) return registry_->resolve(model_id);
  std::error_code ignored;
  if (!std::filesystem::exists(model_id, ignored)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("'{}' is not loaded, not registered, and no path of a model", model_id));
  }
  return {model_id, make_model(model_id), pick_device(config_.device)};
}

// Other devices may be used when nobody chose one.
std::vector<DeviceId> Engine::fallbacks(const std::string& model_id) const {
  const auto registered = registry_->find(model_id);
  const std::string wanted = registered && registered->device != "auto" ? registered->device : config_.device;
  if (wanted != "auto") return {};
  std::vector<DeviceId> devices;
  const auto& all = discovery_.devices;
  const bool has_gpu = std::any_of(all.begin(), all.end(), [](const auto& device) {
    return device->id().kind == base::DeviceKind::kCuda;
  });
  const int usable = has_gpu ? model_library().cuda_device_count() : 0;
  for (const auto& device : all) {
    const auto id = device->id();
    if (id.kind == base::DeviceKind::kCuda && id.index < usable) devices.push_back(id);
  }
  devices.emplace_back();
  return devices;
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
  const auto kept = state_.store().get(StateStore::Kind::kLearntCost, kLoadCosts);
  if (!kept) return;
  try {
    manager_->learn(learnt_loads_from(*kept));
  } catch (const Error& error) {
    base::log(base::LogLevel::kWarning, "app", fmt::format("{}; they are learnt anew", error.what()));
  }
}

void Engine::keep_costs() {
  auto loads = manager_->learnt();
  {
    base::MutexLock lock(mutex_);
    if (same_costs(loads, kept_loads_)) return;
    kept_loads_ = loads;
  }
  state_.store().put(StateStore::Kind::kLearntCost, kLoadCosts, to_document(loads));
}

void Engine::register_task(const core::TaskProfile& profile) {
  tasks_->register_task_profile(profile);
  state_.store().put(StateStore::Kind::kTaskProfile, profile.task_name, to_document(profile));
}

bool Engine::remove_task(const std::string& task) {
  state_.store().remove(StateStore::Kind::kTaskProfile, task);
  return tasks_->remove_task_profile(task);
}

ModelSource Engine::model_source() {
  return {.identify = [this](const std::filesystem::path& path) -> ModelSource::Identity {
            return {"ddsp_svc", describe_voice(path, config_.pretrain_dir).model_file};
          },
          .make = [this](const RegisteredModel& model) { return make_model(model.path); },
          .pick_device =
              [this](const std::string& device) {
                return pick_device(device == "auto" ? config_.device : device);
              }};
}

std::shared_ptr<const core::Model> Engine::make_model(const std::filesystem::path& path) {
  return make_model(describe_voice(path, config_.pretrain_dir));
}

void Engine::share_equal_files(std::vector<core::ComponentSpec>& components) {
  if (!config_.share_equal_files) return;
  for (auto& component : components) component.file = equal_files_.representative(component.file);
}

std::shared_ptr<const core::Model> Engine::make_model(models::ddsp_svc::Description description) {
  share_equal_files(description.components);
  auto voice = make_voice(std::move(description));
  model_library().set_host_cache(host_cache_bytes());
  return voice;
}

void Engine::use_kept_settings() {
  base::MutexLock lock(mutex_);
  for (const auto& name : gpu_setting_names()) {
    const auto kept = state_.store().get(StateStore::Kind::kSetting, "gpu." + name);
    if (!kept) continue;
    try {
      set_gpu_setting(gpu_settings_, name, *kept, "the kept setting gpu." + name);
      base::log(base::LogLevel::kInfo, "app",
                fmt::format("gpu.{} is {}, as it was set while greenroom ran", name, *kept));
    } catch (const Error& error) {  // what an older release allowed
      base::log(base::LogLevel::kWarning, "app", fmt::format("{}; it is not used", error.what()));
    }
  }
}

GpuSettings Engine::gpu_settings() const {
  base::MutexLock lock(mutex_);
  return gpu_settings_;
}

void Engine::change_gpu_setting(const std::string& name, const std::string& value) {
  auto changed = gpu_settings();
  if (!set_gpu_setting(changed, name, value, "gpu." + name)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("gpu.{} is no setting that can be changed while greenroom runs; these are: {}",
                            name, fmt::join(gpu_setting_names(), ", ")));
  }
  state_.store().put(StateStore::Kind::kSetting, "gpu." + name, *gpu_setting(changed, name));
  base::MutexLock lock(mutex_);
  set_gpu_setting(gpu_settings_, name, value, name);
}

void Engine::reset_gpu_setting(const std::string& name) {
  const auto original = gpu_setting(config_.gpu, name);
  if (!original) throw Error(ErrorCode::kInvalidArgument, fmt::format("there is no setting gpu.{}", name));
  state_.store().remove(StateStore::Kind::kSetting, "gpu." + name);
  base::MutexLock lock(mutex_);
  set_gpu_setting(gpu_settings_, name, *original, name);
}

DeviceId Engine::place(const std::vector<core::PlanItem>& items) const {
  core::PlacementRules rules;
  std::map<DeviceId, int> utilisation;
  const bool has_gpu =
      std::any_of(discovery_.devices.begin(), discovery_.devices.end(),
                  [](const auto& device) { return device->id().kind == base::DeviceKind::kCuda; });
  const int usable = has_gpu ? model_library().cuda_device_count() : 0;
  for (const auto& device : discovery_.devices) {
    const DeviceId id = device->id();
    if (id.kind == base::DeviceKind::kCpu) continue;
    if (id.kind != base::DeviceKind::kCuda || id.index >= usable) {
      rules.unusable.insert(id);
      continue;
    }
    try {
      if (const auto busy = device->telemetry().utilisation_percent) utilisation[id] = *busy;
    } catch (const Error& error) {
      base::log(base::LogLevel::kWarning, "app", error.what());
    }
  }
  const core::Placement placement = manager_->place(items, rules, utilisation);
  base::log(base::LogLevel::kDebug, "app",
            fmt::format("placed on {}: {}", base::to_string(placement.device.value_or(DeviceId())),
                        placement.reason));
  return placement.device.value_or(DeviceId());
}

core::Plan Engine::plan(const std::vector<std::filesystem::path>& paths, const std::string& device,
                        std::optional<double> audio_seconds) {
  std::vector<core::PlanItem> items;
  std::uint64_t workspace = 0;
  for (const auto& path : paths) {
    auto description = describe_voice(path, config_.pretrain_dir);
    share_equal_files(description.components);
    if (audio_seconds) {
      const auto frames = static_cast<std::int64_t>(
          std::ceil(*audio_seconds * description.config.sampling_rate / description.config.block_size));
      workspace = std::max({workspace, models::ddsp_svc::pitch_workspace_bytes(description, *audio_seconds),
                            models::ddsp_svc::convert_workspace_bytes(description, frames)});
    }
    items.push_back({path.string(), std::make_shared<DescribedModel>(description.components)});
  }
  const DeviceId where = device == "auto" ? place(items) : pick_device(device);
  return manager_->plan(items, where, workspace);
}

DeviceId Engine::pick_device(const std::string& name) const {
  const auto usable_gpus = [] { return model_library().cuda_device_count(); };
  if (name == "auto") return place({});
  const auto wanted = base::parse_device_id(name);
  if (!wanted)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the device \"{}\" is not auto, cpu or cuda:N", name));
  if (wanted->kind == base::DeviceKind::kCpu) return *wanted;
  const bool present = std::any_of(discovery_.devices.begin(), discovery_.devices.end(),
                                   [&](const auto& device) { return device->id() == *wanted; });
  if (!present) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("there is no device {}: {}", name,
                            discovery_.no_gpu_reason.empty() ? "this machine has fewer GPUs"
                                                             : discovery_.no_gpu_reason));
  }
  if (usable_gpus() <= wanted->index) {
    throw Error(
        ErrorCode::kFailedPrecondition,
        fmt::format("{} is there, but the libtorch this was built with ({}) cannot use it; build with "
                    "-DGREENROOM_TORCH=python and a PyTorch with CUDA, or use --device cpu",
                    name, model_library().torch_version()));
  }
  return *wanted;
}

std::string Engine::load_voice(const std::filesystem::path& path, const std::string& device) {
  auto description = describe_voice(path, config_.pretrain_dir);
  std::string id = std::filesystem::absolute(description.model_file).lexically_normal().string();
  const auto voice = make_model(std::move(description));
  core::RecoverableOperation load;
  load.name = "load";
  load.model_id = id;
  load.device = device == "auto" ? place({{id, voice}}) : pick_device(device);
  load.run = [&](const auto& attempt) { manager_->load(id, voice, attempt.device); };
  if (device == "auto") load.fallbacks = fallbacks(id);
  std::erase(load.fallbacks, load.device);
  recovery_->execute(load);
  return id;
}

// Of the calling thread.
void Engine::use_threads() const {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  model_library().set_threads(config_.threads > 0 ? config_.threads : cores);
}

std::uint64_t Engine::host_cache_bytes() const {
  if (config_.host_cache_bytes) return *config_.host_cache_bytes;
  constexpr std::uint64_t kShare = 4;
  std::string problem;
  return read_memory(*discovery_.devices.front(), problem).total / kShare;
}

void Engine::unload(const std::string& model_id, bool force) {
  if (unload_speech_model(model_id, force)) return;
  manager_->unload(model_id, force ? core::UnloadMode::kForce : core::UnloadMode::kFree);
}

models::ConvertResult Engine::convert(const std::string& model_id, const audio::Buffer& input,
                                      const models::ConvertOptions& options,
                                      const models::RunControl& control, const RequestOptions& request) {
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
    result = measured(std::string(voice.type()), [&] {
      return voice.convert(turn.run, turn.run.device(), input, chosen, {control.progress, turn.cancelled});
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

std::uint64_t Engine::free_idle() {
  std::uint64_t bytes = 0;
  for (const auto& device : discovery_.devices) bytes += manager_->trim(device->id());
  return bytes;
}

std::uint64_t Engine::estimate_bytes(const std::filesystem::path& path) const {
  std::uint64_t bytes = 0;
  for (const auto& component : describe_voice(path, config_.pretrain_dir).components)
    bytes += component.bytes;
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
  status.models = manager_->list();
  status.state_problems = state_.problems();
  return status;
}

}  // namespace greenroom::app
