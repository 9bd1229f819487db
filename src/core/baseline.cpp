#include "core/baseline.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace greenroom::core {

using base::MutexLock;

Baseline::Baseline(Manager& manager, const base::Clock& clock, QuietTime quiet_time,
                   const BaselineOptions& options)
    : manager_(manager), clock_(clock), quiet_time_(std::move(quiet_time)), options_(options) {}

void Baseline::add(BaselineModel model) {
  auto settings = manager_.settings(model.id);
  if (!settings.keep_alive) {
    settings.keep_alive = ModelSettings::kForever;
    manager_.configure(model.id, settings);
  }
  MutexLock lock(mutex_);
  std::string id = model.id;
  models_[id] = Entry{std::move(model)};
}

bool Baseline::remove(const std::string& id) {
  {
    MutexLock lock(mutex_);
    if (models_.erase(id) == 0) return false;
  }
  auto settings = manager_.settings(id);
  if (settings.keep_alive == ModelSettings::kForever) {
    settings.keep_alive.reset();
    manager_.configure(id, settings);
  }
  return true;
}

std::vector<std::string> Baseline::list() const {
  MutexLock lock(mutex_);
  std::vector<std::pair<int, std::string>> order;
  for (const auto& [id, entry] : models_) order.emplace_back(-entry.model.priority, id);
  std::sort(order.begin(), order.end());
  std::vector<std::string> ids;
  ids.reserve(order.size());
  for (auto& [priority, id] : order) ids.push_back(std::move(id));
  return ids;
}

std::vector<std::string> Baseline::restore() {
  std::vector<std::string> back;
  const std::vector<std::string> ids = list();
  for (const std::string& id : ids) {
    if (quiet_time_() < options_.quiet) break;
    const ModelStatus status = manager_.model_status(id);
    if (status == ModelStatus::kLoaded || status == ModelStatus::kLoading) continue;
    BaselineModel model;
    {
      MutexLock lock(mutex_);
      const auto found = models_.find(id);
      if (found == models_.end() || clock_.now() < found->second.next_try) continue;
      model = found->second.model;
    }
    bool failed = false;
    try {
      if (bring_back(model, ids)) back.push_back(id);
    } catch (const base::Error& error) {
      failed = true;
      base::log(base::LogLevel::kWarning, "core", fmt::format("baseline model '{}': {}", id, error.what()));
    }
    note_outcome(id, failed);
  }
  return back;
}

// False when there is no room for it now.
bool Baseline::bring_back(const BaselineModel& model, const std::vector<std::string>& others) {
  const GroupMember member = model.resolve();
  if (!manager_.fits({member}, Manager::Space::kIdle, others)) return false;
  const auto spared = manager_.hold_loaded(others);  // so that none of them has to go for it
  manager_.preload(member.id, member.model, member.device);
  return true;
}

void Baseline::note_outcome(const std::string& id, bool failed) {
  MutexLock lock(mutex_);
  const auto found = models_.find(id);
  if (found == models_.end()) return;
  Entry& entry = found->second;
  if (!failed) {
    entry.failures = 0;
    return;
  }
  constexpr int kMostDoublings = 20;
  const auto factor = std::int64_t{1} << std::min(entry.failures++, kMostDoublings);
  const auto delay = options_.first_retry > options_.longest_retry / factor ? options_.longest_retry
                                                                            : options_.first_retry * factor;
  entry.next_try = clock_.now() + delay;
}

}  // namespace greenroom::core
