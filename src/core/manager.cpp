#include "core/manager.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "base/error.h"

namespace greenroom::core {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

Manager::Managed::Managed(const DeviceBudget& budget)
    : ledger(budget.bytes),
      limits{budget.bytes, budget.max_usage_share},
      host(budget.host ? budget.host : std::make_shared<InProcessHost>()) {}

Manager::Manager(const std::vector<DeviceBudget>& devices, const base::Clock& clock, EventSink* events,
                 const ManagerOptions& options)
    : clock_(clock),
      events_(events),
      options_(options),
      policy_(options.policy),
      host_ledger_(options.host_tier_bytes),
      residency_(clock),
      tier_(host_ledger_, clock),
      decisions_(options.decisions_kept) {
  for (const DeviceBudget& budget : devices) devices_.try_emplace(budget.device, budget);
}

Manager::~Manager() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    after = residency_.clear();
    tier_.clear();
  }
  after.doomed.for_each([&](const auto& component) {
    managed(component->key.device).host->free(std::move(component->loaded));
    component->claim.release();
  });
}

const Manager::Managed& Manager::managed(base::DeviceId device) const {
  const auto found = devices_.find(device);
  if (found != devices_.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [id, here] : devices_) known.push_back(base::to_string(id));
  throw Error(ErrorCode::kInvalidArgument, fmt::format("there is no device {} here; there is {}",
                                                       base::to_string(device), fmt::join(known, ", ")));
}

Manager::Managed& Manager::managed(base::DeviceId device) {
  return const_cast<Managed&>(std::as_const(*this).managed(device));
}

void Manager::unload(const std::string& id, UnloadMode mode) {
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    auto* record = residency_.find(id);
    if (record == nullptr) throw Error(ErrorCode::kNotFound, fmt::format("'{}' is not loaded", id));
    if (record->status() == ModelStatus::kLoading && mode != UnloadMode::kForce) {
      throw Error(ErrorCode::kFailedPrecondition,
                  fmt::format("'{}' is still loading: wait, or force the unload to cancel the load", id));
    }
    if (mode != UnloadMode::kForce && record->current && record->current->owned > 0 &&
        record->current->holds == record->current->owned) {
      throw Error(ErrorCode::kFailedPrecondition,
                  fmt::format("'{}' is kept by {} of tasks or clients: end those, or force the unload", id,
                              record->current->owned == 1 ? std::string("a hold")
                                                          : fmt::format("{} holds", record->current->owned)));
    }
    if (mode == UnloadMode::kForce && record->attempt) residency_.cancel(*record->attempt, after);
    if (record->current && mode == UnloadMode::kForce) {
      residency_.retire_current(*record, "", after);
    } else if (record->current) {
      residency_.take_hold(*record, mode == UnloadMode::kKeep, after);
    }
    if (!record->current) record->error.clear();
    residency_.forget_if_empty(id);
    changed_.notify_all();
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
}

void Manager::configure(const std::string& id, const ModelSettings& settings) {
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    residency_.configure(id, settings, after);
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
}

ModelSettings Manager::settings(const std::string& id) const {
  MutexLock lock(mutex_);
  return residency_.settings(id);
}

void Manager::touch(const std::string& id) {
  MutexLock lock(mutex_);
  residency_.touch(id);
}

void Manager::publish(Event event) {
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    residency_.note(after, [&] { return std::move(event); });
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
}

std::vector<ModelInfo> Manager::list() const {
  MutexLock lock(mutex_);
  return residency_.models();
}

ModelStatus Manager::model_status(const std::string& id) const {
  MutexLock lock(mutex_);
  const auto* record = residency_.find(id);
  return record == nullptr ? ModelStatus::kUnloaded : record->status();
}

std::optional<ModelInfo> Manager::model_info(const std::string& id) const {
  MutexLock lock(mutex_);
  const auto* record = residency_.find(id);
  if (record == nullptr) return std::nullopt;
  return residency_.info(id, *record);
}

std::vector<DeviceMemory> Manager::memory() const {
  MutexLock lock(mutex_);
  std::vector<DeviceMemory> result;
  for (const auto& [device, here] : devices_) {
    result.push_back({device, here.ledger.totals(), residency_.components(device)});
  }
  return result;
}

HostMemory Manager::host_memory() const {
  MutexLock lock(mutex_);
  return {host_ledger_.totals(), tier_.images()};
}

std::vector<DecisionRecord> Manager::decisions(const std::string& about, std::size_t most) const {
  MutexLock lock(mutex_);
  return decisions_.find(about, most);
}

std::vector<LearntLoad> Manager::learnt() const {
  MutexLock lock(mutex_);
  return residency_.history().learnt(clock_.now());
}

void Manager::learn(const std::vector<LearntLoad>& loads) {
  MutexLock lock(mutex_);
  residency_.history().learn(loads, clock_.now());
}

}  // namespace greenroom::core
