#include "core/manager.h"

#include <spdlog/fmt/fmt.h>

#include <limits>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "core/policy.h"
#include "core/refusal.h"

namespace greenroom::core {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

Manager::Manager(const std::vector<DeviceBudget>& devices, const base::Clock& clock, EventSink* events)
    : clock_(clock), events_(events), residency_(clock) {
  for (const DeviceBudget& budget : devices) ledgers_.try_emplace(budget.device, budget.bytes);
}

Manager::~Manager() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    after = residency_.clear();
  }
  for (const auto& component : after.doomed) {
    component->loaded.reset();
    component->claim.release();
  }
}

Ledger& Manager::ledger(base::DeviceId device) {
  const auto found = ledgers_.find(device);
  if (found != ledgers_.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [id, ledger] : ledgers_) known.push_back(base::to_string(id));
  throw Error(ErrorCode::kInvalidArgument, fmt::format("there is no device {} here; there is {}",
                                                       base::to_string(device), fmt::join(known, ", ")));
}

Manager::Room Manager::find_room(const Demand& demand, Aftermath& after) {
  const LedgerTotals totals = ledger(demand.device).totals();
  const auto residents = residency_.residents(demand.device);
  const Decision decision =
      decide(demand.bytes, totals.free(), Residency::candidates(residents, demand.wanted));
  switch (decision.verdict) {
    case Verdict::kGrant:
      return Room::kFits;
    case Verdict::kEvict:
      for (const std::size_t victim : decision.evict) {
        residency_.evict(residents[victim], "for " + demand.purpose, after);
      }
      return Room::kMade;
    case Verdict::kRefuse:
      break;
  }
  if (residency_.is_departing(demand.device, demand.waits_for_reads)) return Room::kPending;
  throw Error(ErrorCode::kResourceExhausted,
              describe({demand.purpose, demand.device, demand.bytes, demand.parts, totals,
                        residency_.components(demand.device)}));
}

void Manager::unload(const std::string& id, UnloadMode mode) {
  Aftermath after;
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
  deliver(std::move(after));
}

void Manager::configure(const std::string& id, const ModelSettings& settings) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    residency_.configure(id, settings, after);
  }
  deliver(std::move(after));
}

ModelSettings Manager::settings(const std::string& id) const {
  MutexLock lock(mutex_);
  return residency_.settings(id);
}

void Manager::touch(const std::string& id) {
  MutexLock lock(mutex_);
  residency_.touch(id);
}

std::uint64_t Manager::trim(base::DeviceId device) {
  return relieve(device, std::numeric_limits<std::uint64_t>::max(), "trimmed");
}

std::uint64_t Manager::sweep(std::chrono::nanoseconds idle_timeout) {
  Aftermath after;
  std::uint64_t bytes = 0;
  {
    MutexLock lock(mutex_);
    bytes = residency_.sweep(idle_timeout, after);
    std::map<base::DeviceId, std::uint64_t> freed;
    for (const auto& component : after.doomed) freed[component->key.device] += component->bytes;
    for (const auto& [device, part] : freed) {
      residency_.note(after, {.type = EventType::kAutoCleanup,
                              .device = device,
                              .bytes = part,
                              .cause = "nobody used it for its keep-alive time"});
    }
  }
  deliver(std::move(after));
  return bytes;
}

std::uint64_t Manager::relieve(base::DeviceId device, std::uint64_t bytes, const std::string& reason) {
  std::ignore = ledger(device);
  Aftermath after;
  std::uint64_t freed = 0;
  {
    MutexLock lock(mutex_);
    const auto residents = residency_.residents(device);
    for (const std::size_t victim : order(Residency::candidates(residents, {}))) {
      if (freed >= bytes) break;
      freed += residents[victim]->bytes;
      residency_.evict(residents[victim], reason, after);
    }
    if (freed > 0) {
      residency_.note(after,
                      {.type = EventType::kAutoCleanup, .device = device, .bytes = freed, .cause = reason});
    }
  }
  deliver(std::move(after));
  return freed;
}

void Manager::publish(Event event) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    residency_.note(after, std::move(event));
  }
  deliver(std::move(after));
}

void Manager::deliver(Aftermath after) {
  for (const auto& component : after.doomed) {
    component->loaded.reset();
    component->claim.release();
  }
  after.retired.clear();
  if (!after.doomed.empty()) {
    MutexLock lock(mutex_);
    residency_.departed(after.doomed);
    changed_.notify_all();
  }
  if (events_ == nullptr) return;
  for (const Event& event : after.events) events_->publish(event);
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
  for (const auto& [device, ledger] : ledgers_) {
    result.push_back({device, ledger.totals(), residency_.components(device)});
  }
  return result;
}

}  // namespace greenroom::core
