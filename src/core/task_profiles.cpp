#include "core/task_profiles.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "core/component.h"
#include "core/parallel.h"

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

constexpr unsigned kMebibyteBits = 20;

// Bytes of all of them, shared components once.
std::uint64_t footprint(const std::vector<GroupMember>& members) {
  std::map<ComponentKey, std::uint64_t> components;
  for (const GroupMember& member : members) {
    for (const ComponentSpec& spec : member.model->components()) {
      components[identify(spec, member.device)] = spec.bytes;
    }
  }
  std::uint64_t bytes = 0;
  for (const auto& [key, part] : components) bytes = base::checked_add(bytes, part).value_or(UINT64_MAX);
  return bytes;
}

std::uint64_t limit_bytes(const TaskProfile& profile) {
  const std::uint64_t most = UINT64_MAX >> kMebibyteBits;
  return profile.memory_limit_mb == 0 || profile.memory_limit_mb > most
             ? UINT64_MAX
             : profile.memory_limit_mb << kMebibyteBits;
}

void check(const TaskProfile& profile) {
  const auto invalid = [&](const std::string& message) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("task '{}': {}", profile.task_name, message));
  };
  if (profile.task_name.empty()) throw Error(ErrorCode::kInvalidArgument, "a task profile needs a name");
  std::set<std::filesystem::path> paths;
  for (const auto* models : {&profile.required_models, &profile.optional_models}) {
    for (const PreloadConfig& model : *models) {
      if (model.model_path.empty()) throw invalid("a model without a path");
      if (!paths.insert(model.model_path.lexically_normal()).second)
        throw invalid(model.model_path.string() + " is named twice");
    }
  }
}

std::string purpose(const TaskProfile& profile) {
  return "task " + profile.task_name;
}

}  // namespace

TaskProfiles::TaskProfiles(Manager& manager, const base::Clock& clock, Resolve resolve)
    : manager_(manager), clock_(clock), resolve_(std::move(resolve)) {}

TaskProfiles::Task& TaskProfiles::find(const std::string& task) {
  const auto found = tasks_.find(task);
  if (found != tasks_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [name, known] : tasks_) names.push_back(name);
  throw Error(ErrorCode::kNotFound,
              fmt::format("there is no task '{}'; there is {}", task,
                          names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

void TaskProfiles::register_task_profile(const TaskProfile& profile) {
  check(profile);
  TaskProfile copy = profile;
  MutexLock lock(mutex_);
  tasks_[profile.task_name].profile = std::move(copy);
}

bool TaskProfiles::remove_task_profile(const std::string& task) {
  std::vector<ModelHold> ended;
  MutexLock lock(mutex_);
  auto found = tasks_.find(task);
  while (found != tasks_.end() && found->second.preloading) {
    changed_.wait(mutex_);
    found = tasks_.find(task);
  }
  if (found == tasks_.end()) return false;
  ended = std::move(found->second.holds);  // ends after the lock does
  tasks_.erase(found);
  return true;
}

Preloaded TaskProfiles::preload_for_task(const std::string& task) {
  TaskProfile profile;
  {
    MutexLock lock(mutex_);
    while (find(task).preloading) changed_.wait(mutex_);
    profile = find(task).profile;
    find(task).preloading = true;
  }
  std::vector<ModelHold> holds;
  Preloaded result;
  const auto finish = [&](bool keep) {
    MutexLock lock(mutex_);
    Task& entry = find(task);  // nobody removes one that is being preloaded
    if (keep) std::swap(entry.holds, holds);
    entry.preloading = false;
    entry.last_used = clock_.now();
    changed_.notify_all();
  };
  try {
    result = load(profile, holds);
  } catch (...) {
    finish(false);
    throw;
  }
  finish(true);
  manager_.publish({.type = EventType::kTaskPreloaded, .model_id = task, .bytes = result.bytes});
  return result;
}

Preloaded TaskProfiles::load(const TaskProfile& profile, std::vector<ModelHold>& holds) {
  if (profile.required_models.empty() && profile.optional_models.empty()) {
    throw Error(ErrorCode::kFailedPrecondition,
                fmt::format("task '{}' names no model: give it some in the configuration (tasks.{}.required)",
                            profile.task_name, profile.task_name));
  }
  std::vector<GroupMember> members;
  for (const PreloadConfig& model : profile.required_models) members.push_back(resolve_(model));
  const std::uint64_t bytes = footprint(members);
  if (bytes > limit_bytes(profile)) {
    throw Error(ErrorCode::kResourceExhausted,
                fmt::format("task '{}': its required models need {}, more than its memory_limit_mb of {}",
                            profile.task_name, base::format_bytes(bytes), profile.memory_limit_mb));
  }
  Preloaded result;
  for (const GroupMember& member : members) {
    manager_.publish({.type = EventType::kPreloadRequested,
                      .model_id = member.id,
                      .model_type = member.model->type(),
                      .device = member.device,
                      .cause = purpose(profile)});
    result.required.push_back(member.id);
  }
  if (!members.empty()) holds = manager_.load_group(purpose(profile), members);
  result.bytes = bytes;
  load_optional(profile, std::move(members), holds, result);
  return result;
}

std::string TaskProfiles::why_not(const TaskProfile& profile, const std::vector<GroupMember>& chosen,
                                  const std::vector<GroupMember>& optional) const {
  const GroupMember& last = optional.back();
  std::vector<GroupMember> all = chosen;
  all.insert(all.end(), optional.begin(), optional.end());
  const std::uint64_t bytes = footprint(all);
  const bool is_double =
      std::any_of(all.begin(), all.end() - 1, [&](const GroupMember& other) { return other.id == last.id; });
  if (is_double) return "the same as another model of the task";
  if (bytes > limit_bytes(profile)) {
    return fmt::format("the task would need {}, more than its memory_limit_mb of {}",
                       base::format_bytes(bytes), profile.memory_limit_mb);
  }
  if (manager_.fits(optional, Manager::Space::kFree)) return "";
  return fmt::format("there is no room left on {}", base::to_string(last.device));
}

std::vector<GroupMember> TaskProfiles::choose_optional(const TaskProfile& profile,
                                                       const std::vector<GroupMember>& required,
                                                       std::vector<std::filesystem::path>& paths,
                                                       Preloaded& result) const {
  std::vector<PreloadConfig> wanted = profile.optional_models;
  std::stable_sort(wanted.begin(), wanted.end(),
                   [](const auto& a, const auto& b) { return a.priority > b.priority; });
  std::vector<GroupMember> optional;
  for (const PreloadConfig& model : wanted) {
    std::string reason;
    try {
      optional.push_back(resolve_(model));
      reason = why_not(profile, required, optional);
    } catch (const Error& error) {
      reason = error.what();
    }
    if (reason.empty()) {
      paths.push_back(model.model_path);
    } else {
      optional.resize(paths.size());
      result.skipped.push_back({model.model_path, std::move(reason)});
    }
  }
  return optional;
}

void TaskProfiles::load_optional(const TaskProfile& profile, std::vector<GroupMember> chosen,
                                 std::vector<ModelHold>& holds, Preloaded& result) {
  std::vector<std::filesystem::path> paths;
  const std::vector<GroupMember> optional = choose_optional(profile, chosen, paths, result);
  std::vector<std::vector<ModelHold>> taken(optional.size());
  std::vector<std::string> problems(optional.size());
  run_in_parallel(optional.size(), [&](std::size_t i) {
    try {
      taken[i] = manager_.load_group(purpose(profile), {optional[i]});
    } catch (const std::exception& error) {
      problems[i] = error.what();
    }
  });
  for (std::size_t i = 0; i < optional.size(); ++i) {
    if (taken[i].empty()) {
      result.skipped.push_back({paths[i], problems[i]});
      continue;
    }
    holds.push_back(std::move(taken[i].front()));
    result.optional.push_back(optional[i].id);
    chosen.push_back(optional[i]);
  }
  result.bytes = footprint(chosen);
}

std::vector<std::string> TaskProfiles::cleanup_for_task(const std::string& task) {
  std::vector<ModelHold> ended;
  {
    MutexLock lock(mutex_);
    Task& entry = find(task);
    if (entry.preloading) {
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("task '{}' is being preloaded: try again when it is ready", task));
    }
    ended = std::exchange(entry.holds, {});
  }
  std::vector<std::string> ids;
  ids.reserve(ended.size());
  for (const ModelHold& hold : ended) ids.push_back(hold.model_id());
  if (ended.empty()) return ids;
  ended.clear();
  manager_.publish({.type = EventType::kTaskCleaned, .model_id = task});
  return ids;
}

void TaskProfiles::note_use(const std::string& model_id) {
  MutexLock lock(mutex_);
  for (auto& [name, task] : tasks_) {
    for (const ModelHold& hold : task.holds) {
      if (hold.model_id() == model_id) task.last_used = clock_.now();
    }
  }
}

std::vector<std::string> TaskProfiles::sweep(std::chrono::nanoseconds idle_timeout) {
  std::vector<std::pair<std::string, std::vector<ModelHold>>> ended;
  {
    MutexLock lock(mutex_);
    for (auto& [name, task] : tasks_) {
      if (task.holds.empty() || task.preloading || !task.profile.auto_cleanup) continue;
      if (clock_.now() - task.last_used < idle_timeout) continue;
      ended.emplace_back(name, std::exchange(task.holds, {}));
    }
  }
  std::vector<std::string> names;
  for (auto& [name, holds] : ended) {
    holds.clear();
    manager_.publish({.type = EventType::kTaskCleaned,
                      .model_id = name,
                      .cause = "nobody used its models for the idle time-out"});
    names.push_back(name);
  }
  return names;
}

std::vector<TaskStatus> TaskProfiles::list() const {
  MutexLock lock(mutex_);
  std::vector<TaskStatus> result;
  for (const auto& [name, task] : tasks_) {
    TaskStatus status{task.profile, task.preloading, {}};
    for (const ModelHold& hold : task.holds) {
      if (hold.is_effective()) status.held.push_back(hold.model_id());
    }
    result.push_back(std::move(status));
  }
  return result;
}

}  // namespace greenroom::core
