// Task profiles, auto management and lifecycle events.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "greenroom/error.h"
#include "greenroom/model_manager.h"

namespace greenroom {

struct PreloadConfig {
  ModelType model_type = ModelType::ddsp_svc;
  std::filesystem::path model_path;
  std::string device = "auto";
  int priority = 0;  // of optional models: the highest come first
};

struct TaskProfile {
  std::string task_name;
  std::vector<PreloadConfig> required_models;  // all of them or none
  std::vector<PreloadConfig> optional_models;  // while there is room
  std::uint64_t memory_limit_mb = 0;  // MiB, of all models of the task, shared components once; 0: none
  bool auto_cleanup = true;  // auto management cleans up once nobody used its models for the idle timeout
};

struct PreloadResult {
  std::vector<std::string> required;  // model ids, in the profile's order
  std::vector<std::string> optional;
  std::map<std::filesystem::path, std::string> skipped;  // optional models that were not loaded, and why
  std::uint64_t memory_bytes = 0;                        // of all that were, shared components once
};

enum class LifecycleEvent {
  preload_requested,
  load_started,
  load_progress,  // to listeners only; not in the history
  load_completed,
  load_failed,
  unload_started,
  unload_completed,
  cache_hit,
  cache_miss,
  auto_cleanup,
  evicted,
  demoted,
  promoted,
  memory_missing,
  worker_lost,
  alert,
  recovery,
  hold_expired,
  task_preloaded,
  task_cleaned,
};
std::string_view lifecycle_event_name(LifecycleEvent event);  // "load_started"

struct LifecycleEventData {
  std::int64_t id = 0;  // in the history: ascending, never used twice. 0 for listeners.
  LifecycleEvent event = LifecycleEvent::load_started;
  std::string model_id;    // of a task's event, the task's name
  std::string model_type;  // "ddsp_svc"; empty when it has no model
  std::string device;      // "cpu", "cuda:0"
  std::string component;   // "rmvpe (model.pt)"; empty when it is about a whole model
  double timestamp = 0;    // seconds since 1970, UTC
  std::uint64_t bytes = 0;
  std::uint64_t total_bytes = 0;  // of a load's progress
  double duration = 0;            // seconds
  std::string error_message;
  std::string cause;  // "for loading 'bob', idle 41 s"
};

struct EventFilter {
  std::optional<std::string> model_id;
  std::optional<LifecycleEvent> event;
  std::int64_t since_id = 0;  // only what came after this id
  std::size_t limit = 1000;   // of the newest
};

using LifecycleListener = std::function<void(const LifecycleEventData&)>;

// There is one, get_lifecycle_manager(). All functions are thread-safe, and throw Error.
class ModelLifecycleManager {
 public:
  // Adds it, or replaces the one of that name. Kept across restarts. Throws: invalid_argument.
  void register_task_profile(const TaskProfile& profile);
  // Cleans up first. False when there is none of that name.
  bool remove_task_profile(const std::string& task_name);
  std::vector<TaskProfile> get_task_profiles() const;  // by name

  // Loads and holds all required models or none, then optional ones, the highest priority first, as far as
  // they fit into what is then free and into the memory limit. Throws: not_found (no such task),
  // resource_exhausted, and what a load throws; then the task holds what it held before.
  PreloadResult preload_for_task(const std::string& task_name);
  // Takes off exactly the holds the task took, and returns their model ids. Throws: not_found, unavailable.
  std::vector<std::string> cleanup_for_task(const std::string& task_name);

  // A thread that frees idle models by the manager's settings, cleans up after tasks and brings baseline
  // models back. Both: false when it was so already.
  bool start_auto_management();
  bool stop_auto_management();
  bool auto_management_running() const;

  // Each listener is called in a thread of its own, one event after the other: it may be slow, may throw
  // (that is logged), and may call anything in greenroom/. When it is more than 1000 events behind it misses
  // some. Returns a number that takes it off again.
  int add_event_listener(LifecycleListener listener);
  // Waits for a call in progress, unless it comes from within it. False when there is none of that number.
  bool remove_event_listener(int number);

  // The history, oldest first; what happened before the call is in it.
  std::vector<LifecycleEventData> get_recent_events(const EventFilter& filter = {}) const;
};

ModelLifecycleManager& get_lifecycle_manager();

}  // namespace greenroom
