// Owns the devices, the manager and the models, and wires them.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/caretaker.h"
#include "app/config.h"
#include "app/engine_metrics.h"
#include "app/event_hub.h"
#include "app/event_tap.h"
#include "app/model_registry.h"
#include "app/monitoring.h"
#include "app/requests.h"
#include "app/state_folder.h"
#include "audio/buffer.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "checkpoint/equal_files.h"
#include "core/auto_management.h"
#include "core/baseline.h"
#include "core/holds.h"
#include "core/manager.h"
#include "core/recovery_executor.h"
#include "core/task_profiles.h"
#include "devices/discover.h"
#include "models/ddsp_svc/description.h"
#include "models/voice.h"

namespace greenroom::app {

// A device as the machine and the manager see it.
struct DeviceStatus {
  base::DeviceId id;
  std::string name;
  devices::DeviceMemory memory;  // what the system reports; zeros when it cannot be read
  std::string problem;           // why it cannot; empty when it can
  std::string uuid;              // empty when it has none
  devices::Telemetry telemetry;  // empty, as the processes, while the monitor does not run
  std::vector<devices::ProcessUse> processes;
  core::LedgerTotals ledger;  // what the manager knows
  std::vector<core::ComponentInfo> components;
};

struct Status {
  double uptime_seconds = 0;
  std::vector<DeviceStatus> devices;
  std::vector<core::ModelInfo> models;
  std::vector<std::string> state_problems;  // why what should be kept across restarts is not; see StateFolder
};

// Thread-safe.
class Engine {
 public:
  // Finds the devices and what was kept from last time; loads nothing. Throws base::Error for a budget on a
  // device that is not there.
  explicit Engine(Config config);
  ~Engine();

  // "auto" is the GPU with most room that models can use, else the CPU. Throws base::Error(kInvalidArgument).
  base::DeviceId pick_device(const std::string& name) const;

  // Puts a hold on the voice at `path`, loading it first if need be; returns its model id. Throws
  // base::Error.
  std::string load_voice(const std::filesystem::path& path, const std::string& device);

  // What loading the voices at `paths` would do, and converting that much audio with one of them beside it.
  // Changes nothing. Throws base::Error.
  core::Plan plan(const std::vector<std::filesystem::path>& paths, const std::string& device,
                  std::optional<double> audio_seconds);

  // Throws base::Error as core::Manager::unload.
  void unload(const std::string& model_id, bool force);

  // nullopt for a model that is not loaded (nor loading, unloading, in error).
  std::optional<core::ModelInfo> model_info(const std::string& model_id) const;
  // Ends a load under way; its callers get kCancelled.
  void cancel_load(const std::string& model_id);
  // Frees everything idle on all devices. Returns the bytes given back.
  std::uint64_t free_idle();
  // Bytes of the weights of the model at `path`, from file headers alone. Throws base::Error.
  std::uint64_t estimate_bytes(const std::filesystem::path& path) const;

  // Waits for its turn on the model's device, loads the model when it is absent (`model_id` is registered, or
  // the path of a voice) and leaves it idle then. Pins what each stage needs while it needs it. What can be
  // mended is tried again, with less memory, or on another device where the device was left to us ("auto");
  // notices of the result say so. Throws base::Error as Requests::run.
  models::ConvertResult convert(const std::string& model_id, const audio::Buffer& input,
                                const models::ConvertOptions& options, const models::RunControl& control,
                                const RequestOptions& request = {});
  Requests& requests() { return *requests_; }

  // Holds of clients, for models by their registered id or path. They end by themselves while
  // auto_management() runs.
  std::uint64_t take_hold(const std::string& owner, const std::vector<std::string>& model_ids,
                          std::optional<std::chrono::nanoseconds> lifetime = std::nullopt, int pid = 0);
  core::Holds& holds() { return *holds_; }

  // Where users' recovery actions are registered.
  core::RecoveryExecutor& recovery() { return *recovery_; }

  // Gets an IndexTTS-2 folder ready to speak; returns its model id. Loads nothing: every stage of a run loads
  // what it lacks, and leaves it idle. Throws base::Error.
  std::string open_speech_model(const std::filesystem::path& path, const std::string& device)
      EXCLUDES_LOCK(speech_mutex_);

  // Throws base::Error: kNotFound (not opened), and as models::SynthesisModel::speak.
  models::SpeakResult speak(const std::string& model_id, const models::SpeakRequest& request,
                            const models::SpeakOptions& options, const models::SpeakControl& control)
      EXCLUDES_LOCK(speech_mutex_);

  // Models by id, with what was kept of them from last time.
  ModelRegistry& registry() { return *registry_; }

  // The manager's events as they come, and those of the past.
  EventHub& events() { return events_; }
  EventHistory& history() { return state_.history(); }

  // Settings of the section gpu. A change holds at once and is kept: from then on it outweighs the
  // configuration file, until it is reset. Throw base::Error(kInvalidArgument) naming what is possible.
  GpuSettings gpu_settings() const EXCLUDES_LOCK(mutex_);
  void change_gpu_setting(const std::string& name, const std::string& value) EXCLUDES_LOCK(mutex_);
  void reset_gpu_setting(const std::string& name) EXCLUDES_LOCK(mutex_);

  // The thread that frees what is idle, by those settings, cleans up after tasks and brings baseline models
  // back. It does nothing until it is started.
  core::AutoManagement& auto_management() { return *auto_management_; }

  // Profiles are kept; they are registered and removed here, everything else is done there.
  core::TaskProfiles& tasks() { return *tasks_; }
  void register_task(const core::TaskProfile& profile);  // throws as core::TaskProfiles
  bool remove_task(const std::string& task);

  // The CPU first.
  const std::vector<std::shared_ptr<const devices::Device>>& devices() const { return discovery_.devices; }
  // What the devices say comes from the monitor while that runs, so a driver that hangs does not hang this.
  Status status() const;
  const Config& config() const { return config_; }

  // Not running until somebody starts it.
  Monitoring& monitoring() const { return *monitoring_; }
  EngineMetrics& metrics() const { return *metrics_; }
  const devices::Discovery& discovery() const { return discovery_; }

 private:
  struct SpeechModel {
    std::shared_ptr<const models::SynthesisModel> model;
    base::DeviceId device;
  };
  std::uint64_t host_cache_bytes() const;
  base::DeviceId place(const std::vector<core::PlanItem>& items) const;
  void use_threads() const;
  // Names the file that stands for each, unless the settings say otherwise.
  void share_equal_files(std::vector<core::ComponentSpec>& components);
  // False when `model_id` is none.
  bool unload_speech_model(const std::string& model_id, bool force) EXCLUDES_LOCK(speech_mutex_);
  ModelSource model_source();
  std::shared_ptr<const core::Model> make_model(const std::filesystem::path& path);
  std::shared_ptr<const core::Model> make_model(models::ddsp_svc::Description description);
  void use_kept_settings() EXCLUDES_LOCK(mutex_);
  void use_kept_tasks();
  void use_kept_costs();
  // Writes what was learnt since it was written last.
  void keep_costs() EXCLUDES_LOCK(mutex_);
  core::GroupMember resolve(const core::PreloadConfig& config);
  core::GroupMember resolve(const std::string& model_id);
  std::vector<base::DeviceId> fallbacks(const std::string& model_id) const;
  void register_default_tasks();
  std::vector<core::Duty> duties();
  std::chrono::nanoseconds idle_timeout() const;
  std::chrono::nanoseconds quiet_time() const;
  std::unique_ptr<Monitoring> make_monitoring();
  MetricsState metrics_state() const;
  // Runs one inference and counts it.
  models::ConvertResult measured(const std::string& model_type,
                                 const std::function<models::ConvertResult()>& infer);

  Config config_;
  base::SystemClock clock_;
  base::Clock::TimePoint started_;
  devices::Discovery discovery_;
  checkpoint::EqualFiles equal_files_;
  mutable StateFolder state_;
  mutable base::Mutex mutex_;
  GpuSettings gpu_settings_ GUARDED_BY(mutex_);
  std::vector<core::LearntLoad> kept_loads_ GUARDED_BY(mutex_);  // as last written
  // The manager publishes into the tap, that into the hub, and the hub writes into the history until the
  // last: in that order.
  EventHub events_;
  std::unique_ptr<EngineMetrics> metrics_;
  std::unique_ptr<EventTap> event_tap_;
  std::unique_ptr<core::Manager> manager_;
  base::Mutex speech_mutex_;
  std::map<std::string, SpeechModel> speech_models_ GUARDED_BY(speech_mutex_);
  std::atomic<base::Clock::TimePoint> last_request_;
  std::unique_ptr<core::Baseline> baseline_;
  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<core::TaskProfiles> tasks_;
  std::unique_ptr<core::Holds> holds_;
  std::unique_ptr<core::RecoveryExecutor> recovery_;
  std::unique_ptr<Requests> requests_;
  std::unique_ptr<Caretaker> caretaker_;
  std::unique_ptr<Monitoring> monitoring_;  // its hooks use what is above
  std::unique_ptr<core::AutoManagement> auto_management_;
};

}  // namespace greenroom::app
