// Task profiles: the models a kind of work needs, loaded together before it and let go after it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "core/manager.h"
#include "core/model_hold.h"

namespace greenroom::core {

// One model of a task, as a user names it.
struct PreloadConfig {
  std::string model_type;  // "ddsp_svc", "index_tts"; empty: told from the path
  std::filesystem::path model_path;
  std::string device = "auto";
  int priority = 0;  // of optional models: the highest come first

  bool operator==(const PreloadConfig&) const = default;
};

struct TaskProfile {
  std::string task_name;
  std::vector<PreloadConfig> required_models;
  std::vector<PreloadConfig> optional_models;
  std::uint64_t memory_limit_mb = 0;  // MiB, of all models of the task, shared components once; 0: none
  bool auto_cleanup = true;           // is cleaned up when nobody used its models for the idle time-out

  bool operator==(const TaskProfile&) const = default;
};

// What preload_for_task did.
struct Preloaded {
  struct Skipped {
    std::filesystem::path model_path;
    std::string reason;
  };
  std::vector<std::string> required;  // model ids, in the profile's order
  std::vector<std::string> optional;  // those that were taken
  std::vector<Skipped> skipped;       // those that were not
  std::uint64_t bytes = 0;            // of all of them, shared components once
};

struct TaskStatus {
  TaskProfile profile;
  bool preloading = false;
  std::vector<std::string> held;  // model ids the task keeps; empty: it is not preloaded
};

// Thread-safe. Has no thread of its own: somebody calls sweep() now and then.
class TaskProfiles {
 public:
  // Tells what model a PreloadConfig is; throws base::Error. Called without a lock.
  using Resolve = std::function<GroupMember(const PreloadConfig&)>;

  // Borrows the manager and the clock; both outlive it.
  TaskProfiles(Manager& manager, const base::Clock& clock, Resolve resolve);

  // Adds it, or replaces the one of that name; what the task holds stays until it is preloaded or cleaned up
  // again. Throws base::Error(kInvalidArgument): no name, a model without a path, one model named twice.
  void register_task_profile(const TaskProfile& profile) EXCLUDES_LOCK(mutex_);
  // Cleans up first. False when there is none of that name.
  bool remove_task_profile(const std::string& task) EXCLUDES_LOCK(mutex_);

  // Loads and holds all required models or none, and of the optional ones, the highest priority first, those
  // that fit into what is then free (nothing has to go for them) and into the task's memory limit. An
  // optional model that cannot be loaded is skipped. A task that is preloaded already takes what its profile
  // now says and lets the rest go; one that is being preloaded is waited for. Throws base::Error: kNotFound
  // (no such task), kFailedPrecondition (the profile names no model), kResourceExhausted (also for the memory
  // limit), and as Manager::load_group; then the task holds what it held before.
  Preloaded preload_for_task(const std::string& task) EXCLUDES_LOCK(mutex_);

  // Takes off exactly the holds the task took; models that nobody else holds go, after their running leases.
  // Returns their ids. Throws base::Error: kNotFound (no such task), kUnavailable (being preloaded).
  std::vector<std::string> cleanup_for_task(const std::string& task) EXCLUDES_LOCK(mutex_);

  // A model was used: the idle time of its tasks starts again.
  void note_use(const std::string& model_id) EXCLUDES_LOCK(mutex_);
  // Cleans up the tasks with auto_cleanup whose models nobody used for `idle_timeout`. Returns their names.
  std::vector<std::string> sweep(std::chrono::nanoseconds idle_timeout) EXCLUDES_LOCK(mutex_);

  std::vector<TaskStatus> list() const EXCLUDES_LOCK(mutex_);  // by name

 private:
  struct Task {
    TaskProfile profile;
    bool preloading = false;
    std::vector<ModelHold> holds;
    base::Clock::TimePoint last_used;
  };

  Task& find(const std::string& task) REQUIRES_LOCK(mutex_);
  Preloaded load(const TaskProfile& profile, std::vector<ModelHold>& holds);
  // Why the last of `optional` is not to be taken beside the others; empty: it is.
  std::string why_not(const TaskProfile& profile, const std::vector<GroupMember>& chosen,
                      const std::vector<GroupMember>& optional) const;
  std::vector<GroupMember> choose_optional(const TaskProfile& profile,
                                           const std::vector<GroupMember>& required,
                                           std::vector<std::filesystem::path>& paths,
                                           Preloaded& result) const;
  void load_optional(const TaskProfile& profile, std::vector<GroupMember> chosen,
                     std::vector<ModelHold>& holds, Preloaded& result);

  Manager& manager_;
  const base::Clock& clock_;
  const Resolve resolve_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;  // a task is no longer being preloaded
  std::map<std::string, Task> tasks_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::core
