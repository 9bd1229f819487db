#include "greenroom/lifecycle.h"

#include <utility>

#include "api/process.h"
#include "api/translate.h"

namespace greenroom {
namespace {

using api::at_border;
using api::Process;

std::shared_ptr<app::Engine> engine() {
  return Process::instance().engine();
}

}  // namespace

void ModelLifecycleManager::register_task_profile(const TaskProfile& profile) {
  at_border([&] { engine()->register_task(api::from_public(profile)); });
}

bool ModelLifecycleManager::remove_task_profile(const std::string& task_name) {
  return at_border([&] { return engine()->remove_task(task_name); });
}

std::vector<TaskProfile> ModelLifecycleManager::get_task_profiles() const {
  return at_border([&] {
    std::vector<TaskProfile> profiles;
    for (const auto& task : engine()->tasks().list()) profiles.push_back(api::to_public(task.profile));
    return profiles;
  });
}

PreloadResult ModelLifecycleManager::preload_for_task(const std::string& task_name) {
  return at_border([&] {
    auto preloaded = engine()->tasks().preload_for_task(task_name);
    PreloadResult result;
    result.required = std::move(preloaded.required);
    result.optional = std::move(preloaded.optional);
    for (auto& skipped : preloaded.skipped) result.skipped[skipped.model_path] = std::move(skipped.reason);
    result.memory_bytes = preloaded.bytes;
    return result;
  });
}

std::vector<std::string> ModelLifecycleManager::cleanup_for_task(const std::string& task_name) {
  return at_border([&] { return engine()->tasks().cleanup_for_task(task_name); });
}

bool ModelLifecycleManager::start_auto_management() {
  return at_border([&] {
    const auto running = engine();
    if (running->auto_management().is_running()) return false;
    running->auto_management().start();
    return true;
  });
}

bool ModelLifecycleManager::stop_auto_management() {
  return at_border([&] {
    const auto running = engine();
    if (!running->auto_management().is_running()) return false;
    running->auto_management().stop();
    return true;
  });
}

bool ModelLifecycleManager::auto_management_running() const {
  return at_border([&] { return engine()->auto_management().is_running(); });
}

int ModelLifecycleManager::add_event_listener(LifecycleListener listener) {
  return at_border([&] {
    return Process::instance().listen(
        [listener = std::move(listener)](const core::Event& event) { listener(api::to_public(event)); });
  });
}

bool ModelLifecycleManager::remove_event_listener(int number) {
  return at_border([&] { return Process::instance().stop_listening(number); });
}

std::vector<LifecycleEventData> ModelLifecycleManager::get_recent_events(const EventFilter& filter) const {
  return at_border([&] {
    app::HistoryFilter wanted{
        .model_id = filter.model_id, .since_id = filter.since_id, .limit = filter.limit, .newest = true};
    if (filter.event) wanted.type = std::string(lifecycle_event_name(*filter.event));
    std::vector<LifecycleEventData> events;
    for (const auto& entry : engine()->history().query(wanted)) events.push_back(api::to_public(entry));
    return events;
  });
}

ModelLifecycleManager& get_lifecycle_manager() {
  static ModelLifecycleManager manager;  // holds nothing: the engine is Process's
  return manager;
}

}  // namespace greenroom
