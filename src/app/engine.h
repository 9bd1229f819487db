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
#include "app/model_runtime.h"
#include "app/monitoring.h"
#include "app/requests.h"
#include "app/settings.h"
#include "app/speech_models.h"
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
#include "models/index_tts/description.h"
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

// What Engine::plan is asked. Models are named by their registered id or their path.
struct PlanQuestion {
  std::vector<std::string> load;
  std::string task;             // and what it requires; empty: none
  std::string device = "auto";  // "auto": where placement says
  // Beside them, the workspace of converting that much audio, or of speaking that many characters in a known
  // voice, with whichever of the models needs most.
  std::optional<double> convert_seconds;
  std::optional<std::size_t> speak_characters;
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

  // Puts a hold on the model at `path` (a DDSP-SVC voice, or the folder of an IndexTTS-2 model), loading it
  // first if need be; returns its model id. Of IndexTTS it loads what speaking in a known voice needs. Throws
  // base::Error.
  std::string load_model(const std::filesystem::path& path, const std::string& device);

  // What loading all of that together would do. Changes nothing. Throws base::Error, besides: kNotFound (no
  // such task), kInvalidArgument (a workspace that none of the models has).
  core::Plan plan(const PlanQuestion& question);

  // Throws base::Error as core::Manager::unload.
  void unload(const std::string& model_id, bool force);

  // Those the manager knows, by id, without the stages that models left idle.
  std::vector<core::ModelInfo> models() const;

  // nullopt for a model that is not loaded (nor loading, unloading, in error).
  std::optional<core::ModelInfo> model_info(const std::string& model_id) const;
  core::HostMemory host_memory() const { return manager_->host_memory(); }
  // See core::Manager::decisions.
  std::vector<core::DecisionRecord> decisions(const std::string& about, std::size_t most) const {
    return manager_->decisions(about, most);
  }
  // Ends a load under way; its callers get kCancelled.
  void cancel_load(const std::string& model_id);
  // Frees everything idle on all devices. Returns the bytes given back.
  std::uint64_t free_idle();
  // Bytes of the weights that a load of the model at `path` loads, from file headers alone. Throws
  // base::Error.
  std::uint64_t estimate_bytes(const std::filesystem::path& path) const;

  // Waits for its turn on the model's device, loads the model when it is absent (`model_id` is registered, or
  // the path of a voice) and leaves it idle then. Pins what each stage needs while it needs it. What can be
  // mended is tried again, with less memory, or on another device where the device was left to us ("auto");
  // notices of the result say so. Throws base::Error as Requests::run; kInvalidArgument for a model that does
  // not convert.
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

  // The same for an IndexTTS-2 model (registered, or the path of its folder). What a voice or an emotion that
  // is not known yet needs is loaded by its stage and left idle. When it does not all fit, every stage is
  // loaded by itself. A segment is handed out once, whatever is tried again. Throws as convert, and as
  // models::SynthesisModel::speak.
  models::SpeakResult speak(const std::string& model_id, const models::SpeakRequest& request,
                            const models::SpeakOptions& options, const models::SpeakControl& control,
                            const RequestOptions& how = {});

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

  // All settings that can be changed, and changing several at once, or none of them: kept as those above.
  std::vector<SettingState> settings() const EXCLUDES_LOCK(mutex_);
  void change_settings(const SettingChanges& changes) EXCLUDES_LOCK(mutex_);
  // The configuration was read anew: live settings that were not changed since hold at once, as do the tasks
  // of the file. Returns the names of what differs and needs a restart.
  std::vector<std::string> reload(const Config& fresh) EXCLUDES_LOCK(mutex_);

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
  // The processes that models run in; empty when they run in this one.
  std::vector<worker::WorkerInfo> workers() const;

 private:
  // What an id or a path stands for.
  struct Found {
    std::string type;
    std::filesystem::path path;
    std::string device;  // "auto" or one
  };
  Found find(const std::string& model_id) const;
  void check_type(const std::string& model_id, const char* wanted) const;
  int usable_gpus() const;
  base::DeviceId place(const std::vector<core::PlanItem>& items) const;
  void use_threads() const;
  // Names the file that stands for each, unless the settings say otherwise.
  void share_equal_files(std::vector<core::ComponentSpec>& components);
  ModelSource model_source();
  // The model ready to be loaded, on the device it was asked for or where placement says.
  core::GroupMember make_member(const std::string& id, const Found& found);
  core::GroupMember make_voice_member(const std::string& id, const Found& found);
  std::shared_ptr<const models::SynthesisModel> make_speech(const std::filesystem::path& path,
                                                            base::DeviceId device);
  models::index_tts::Description describe_speech(const std::filesystem::path& path, base::DeviceId device);
  // Of which part is loaded for `in_stages`: nothing.
  core::GroupMember make_speech_member(const std::string& id, const std::filesystem::path& path,
                                       base::DeviceId device, bool in_stages);
  base::DeviceId place_speech(const std::string& id, const std::filesystem::path& path);
  void use_kept_settings() EXCLUDES_LOCK(mutex_);
  void apply_live_settings() EXCLUDES_LOCK(mutex_);
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
  // The monitor's newest while it runs, so that a driver that hangs holds nobody up; else asked now.
  MemoryReadings memory_readings() const;
  // Runs one inference, which returns the times of its stages, and counts it.
  void measured(const std::string& model_type, const std::function<std::vector<models::StageTime>()>& infer);

  Config config_;
  base::SystemClock clock_;
  base::Clock::TimePoint started_;
  devices::Discovery discovery_;
  ModelRuntime runtime_;
  checkpoint::EqualFiles equal_files_;
  mutable StateFolder state_;
  mutable base::Mutex mutex_;
  Config configured_ GUARDED_BY(mutex_);  // without what was changed and kept
  Config current_ GUARDED_BY(mutex_);     // with it; of its settings those count that are live
  std::vector<core::LearntLoad> kept_loads_ GUARDED_BY(mutex_);           // as last written
  std::vector<core::LearntWorkspace> kept_workspace_ GUARDED_BY(mutex_);  // the same
  // The manager publishes into the tap, that into the hub, and the hub writes into the history until the
  // last: in that order.
  EventHub events_;
  std::unique_ptr<EngineMetrics> metrics_;
  std::unique_ptr<EventTap> event_tap_;
  std::unique_ptr<core::Manager> manager_;
  SpeechModels speech_models_;
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
