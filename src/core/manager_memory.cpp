// How the manager makes room, and how it gives memory back.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "core/manager.h"
#include "core/refusal.h"

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

// A record is read by a person: what went, then the next few.
constexpr std::size_t kCandidatesKept = 16;
// After smaller frees allocators may keep what they have.
constexpr std::uint64_t kWorthTrimming = 32ull << 20;
constexpr std::chrono::milliseconds kFirstPoll{1};
constexpr std::chrono::milliseconds kLongestPoll{50};

// For where nothing may fail: without memory for it there is no line in the log.
template <typename Words>
void log_warning(const Words& words) noexcept {
  try {
    base::log(base::LogLevel::kWarning, "core", words());
  } catch (const std::exception&) {
  }
}

}  // namespace

Capacity Manager::capacity(base::DeviceId device) const {
  const Managed& here = managed(device);
  const bool is_host = device.kind == base::DeviceKind::kCpu;
  auto reading = here.host->read();
  const LedgerTotals totals = here.ledger.totals();
  if (reading && !reading->ours) reading->ours = totals.resident;
  return capacity_of(here.limits, reading, {is_host ? host_ledger_.totals().resident : 0, totals.used()});
}

std::vector<Resident> Manager::weigh_residents(const std::vector<std::shared_ptr<Component>>& residents,
                                               std::span<const ComponentKey> wanted) const {
  const auto now = clock_.now();
  const History& history = residency_.history();
  std::vector<Resident> result;
  result.reserve(residents.size());
  for (const auto& component : residents) {
    const bool is_wanted = std::find(wanted.begin(), wanted.end(), component->key) != wanted.end();
    Resident resident{component->bytes, !component->evictable() || is_wanted, component->last_used};
    if (!resident.pinned) {
      resident.young = now - component->resident_since < options_.min_residence;
      resident.uses = component->uses->at(now);
      resident.reload_seconds = tier_.has(component->key)
                                    ? history.seconds_from_host(component->key, component->bytes)
                                    : history.seconds_from_disk(component->key, component->bytes);
    }
    result.push_back(resident);
  }
  return result;
}

Manager::Weighing Manager::weigh(const Demand& demand, const Capacity& capacity) const {
  Weighing weighing;
  weighing.totals = managed(demand.device).ledger.totals();
  weighing.totals.capacity = std::min(weighing.totals.capacity, capacity.bytes);
  if (demand.bytes <= weighing.totals.free()) {
    weighing.decision.verdict = Verdict::kGrant;
    return weighing;
  }
  weighing.residents = residency_.residents(demand.device);
  weighing.candidates = weigh_residents(weighing.residents, demand.wanted);
  // Where the device has less than the ledger thinks, the shortage is larger than the demand.
  const std::uint64_t over =
      weighing.totals.used() - std::min(weighing.totals.used(), weighing.totals.capacity);
  const auto needed = base::checked_add(demand.bytes, over);
  weighing.decision =
      decide(needed.value_or(UINT64_MAX), weighing.totals.free(), weighing.candidates, policy_);
  return weighing;
}

Manager::Room Manager::find_room(const Demand& demand, const Capacity& capacity, Aftermath& after) {
  const Weighing weighing = weigh(demand, capacity);
  const Verdict verdict = weighing.decision.verdict;
  if (verdict == Verdict::kGrant) {
    if (demand.is_load) record_decision(demand, weighing, capacity.bound_by, {});
    return Room::kFits;
  }
  // Memory that is on its way back is waited for before anything has to go for want of it.
  if (residency_.is_departing(demand.device, false)) return Room::kPending;
  const bool is_host = demand.device.kind == base::DeviceKind::kCpu;
  if (is_host && !capacity.bound_by.empty()) {
    const std::uint64_t short_by = demand.bytes - std::min(demand.bytes, weighing.totals.free());
    if (tier_.drop(short_by, residency_.history(), policy_, after.images) > 0) return Room::kMade;
  }
  if (demand.ask_caches && weighing.totals.cache > 0) return Room::kCachesFirst;
  if (verdict == Verdict::kEvict) {
    std::vector<std::string> unloaded;
    for (const std::size_t victim : weighing.decision.evict) {
      const auto& component = weighing.residents[victim];
      const auto models = residency_.models_with(*component);
      unloaded.insert(unloaded.end(), models.begin(), models.end());
      if (demand.evicted != nullptr) demand.evicted->push_back(label(component->key));
      evict(component, "for " + demand.purpose, after);
    }
    record_decision(demand, weighing, capacity.bound_by, std::move(unloaded));
    return Room::kMade;
  }
  if (demand.is_load && residency_.is_departing(demand.device, true)) return Room::kPending;
  record_decision(demand, weighing, capacity.bound_by, {});
  ++managed(demand.device).refusals;
  throw Error(ErrorCode::kResourceExhausted,
              core::describe({demand.purpose, demand.device, demand.bytes, demand.parts, weighing.totals,
                              capacity.bound_by, residency_.components(demand.device)}));
}

void Manager::evict(const std::shared_ptr<Component>& component, const std::string& reason,
                    Aftermath& after) {
  residency_.evict(component, reason, after);
  if (!tier_.has(component->key)) return;
  residency_.note(after, [&] {
    return Event{.type = EventType::kDemoted,
                 .device = component->key.device,
                 .component = label(component->key),
                 .bytes = component->bytes,
                 .cause = reason};
  });
}

void Manager::record_decision(const Demand& demand, const Weighing& weighing, const std::string& bound_by,
                              std::vector<std::string> unloaded) {
  DecisionRecord record;
  record.sequence = residency_.sequence();
  record.time = clock_.wall_now();
  record.device = demand.device;
  record.purpose = demand.purpose;
  record.needed_bytes = demand.bytes;
  record.free_bytes = weighing.totals.free();
  record.capacity_bytes = weighing.totals.capacity;
  record.bound_by = bound_by;
  record.verdict = weighing.decision.verdict;
  record.policy = policy_;
  record.unloaded = std::move(unloaded);
  const auto now = clock_.now();
  const auto& evicted = weighing.decision.evict;
  for (const std::size_t index : order(weighing.candidates, policy_)) {
    const bool went = std::find(evicted.begin(), evicted.end(), index) != evicted.end();
    if (!went && record.candidates.size() >= kCandidatesKept) continue;
    const Resident& known = weighing.candidates[index];
    const std::chrono::duration<double> idle = now - known.last_used;
    record.candidates.push_back({label(weighing.residents[index]->key), known.bytes, idle.count(), known.uses,
                                 known.reload_seconds, known.young, went});
  }
  decisions_.add(std::move(record));
}

std::optional<Reservation> Manager::claim_cache(base::DeviceId device, std::uint64_t bytes) {
  const Capacity there = capacity(device);
  const LedgerTotals totals = managed(device).ledger.totals();
  if (totals.used() > there.bytes || bytes > there.bytes - totals.used()) return std::nullopt;
  return managed(device).ledger.reserve_cache(bytes);
}

void Manager::add_cache(base::DeviceId device, DropCache drop) {
  std::ignore = managed(device);
  MutexLock lock(mutex_);
  caches_.emplace_back(device, std::move(drop));
}

bool Manager::drop_caches(base::DeviceId device, std::uint64_t bytes) {
  std::vector<DropCache> drops;
  {
    MutexLock lock(mutex_);
    for (const auto& [where, drop] : caches_) {
      if (where == device) drops.push_back(drop);
    }
  }
  std::uint64_t dropped = 0;
  for (const DropCache& drop : drops) {
    if (dropped < bytes) dropped += drop(bytes - dropped);
  }
  return dropped > 0;
}

std::uint64_t Manager::trim(base::DeviceId device) {
  return relieve(device, UINT64_MAX, "trimmed");
}

std::uint64_t Manager::sweep(std::chrono::nanoseconds idle_timeout) {
  Duties after(*this);
  std::uint64_t bytes = 0;
  {
    MutexLock lock(mutex_);
    bytes = residency_.sweep(idle_timeout, after);
    std::map<base::DeviceId, std::uint64_t> freed;
    after.doomed.for_each([&](const auto& component) { freed[component->key.device] += component->bytes; });
    for (const auto& entry : freed) {
      const base::DeviceId device = entry.first;
      const std::uint64_t part = entry.second;
      residency_.note(after, [&] {
        return Event{.type = EventType::kAutoCleanup,
                     .device = device,
                     .bytes = part,
                     .cause = "nobody used it for its keep-alive time"};
      });
    }
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
  return bytes;
}

std::uint64_t Manager::relieve(base::DeviceId device, std::uint64_t bytes, const std::string& reason) {
  const std::uint64_t cached = managed(device).ledger.totals().cache;
  std::uint64_t freed = 0;
  if (bytes > 0 && cached > 0 && drop_caches(device, bytes)) {
    freed = cached - std::min(cached, managed(device).ledger.totals().cache);
  }
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    if (device.kind == base::DeviceKind::kCpu && freed < bytes) {
      freed += tier_.drop(bytes - freed, residency_.history(), policy_, after.images);
    }
    Demand demand{reason, device, bytes};
    Weighing weighing;
    weighing.totals = managed(device).ledger.totals();
    weighing.residents = residency_.residents(device);
    weighing.candidates = weigh_residents(weighing.residents, {});
    weighing.decision.verdict = Verdict::kEvict;
    std::vector<std::string> unloaded;
    for (const std::size_t victim : order(weighing.candidates, policy_)) {
      if (freed >= bytes) break;
      const auto& component = weighing.residents[victim];
      freed += component->bytes;
      weighing.decision.evict.push_back(victim);
      const auto models = residency_.models_with(*component);
      unloaded.insert(unloaded.end(), models.begin(), models.end());
      evict(component, reason, after);
    }
    if (!weighing.decision.evict.empty()) record_decision(demand, weighing, "", std::move(unloaded));
    if (freed > 0) {
      residency_.note(after, [&] {
        return Event{.type = EventType::kAutoCleanup, .device = device, .bytes = freed, .cause = reason};
      });
    }
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
  return freed;
}

void Manager::forget_lost(base::DeviceId device, const std::string& reason) {
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    const std::uint64_t bytes = residency_.lose(device, {ErrorCode::kUnavailable, reason}, after);
    tier_.drop_lost(after.images);
    residency_.note(after, [&] {
      return Event{.type = EventType::kWorkerLost, .device = device, .bytes = bytes, .message = reason};
    });
    changed_.notify_all();
  }
}

void Manager::restore_lost() {
  std::vector<Residency::Lost> models;
  {
    MutexLock lock(mutex_);
    models = residency_.lost();
  }
  for (const auto& [id, model, device] : models) {
    try {
      const auto attempt = attempt_for({id, model, device});
      {
        Duties after(*this);
        MutexLock lock(mutex_);
        const auto* record = residency_.find(id);
        // Unloaded meanwhile, or somebody else's load brings it back.
        if (record == nullptr || record->attempt || !record->current || record->is_ready()) continue;
        begin(attempt, after);
      }
      carry_out(*attempt);
    } catch (const Error& error) {
      base::log(base::LogLevel::kWarning, "core",
                fmt::format("'{}' could not be loaded again: {}", id, error.what()));
      Duties given_up(*this);
      MutexLock lock(mutex_);
      residency_.note_failed_return(id, given_up);
    }
  }
}

void Manager::deliver(Aftermath after) noexcept {
  after.images.clear();
  while (!after.doomed.empty()) {
    const base::DeviceId device = after.doomed.front().key.device;
    Chain<Component> here, elsewhere;
    while (!after.doomed.empty()) {
      auto component = after.doomed.pop();
      (component->key.device == device ? here : elsewhere).push(std::move(component));
    }
    after.doomed = std::move(elsewhere);
    free_departed(device, here, after);
  }
  after.retired.clear();  // after the weights they name
  if (events_ == nullptr) return;
  for (const Event& event : after.events) {
    try {
      events_->publish(event);
    } catch (const std::exception& error) {
      log_warning([&] { return std::string(error.what()); });
    }
  }
}

void Manager::free_departed(base::DeviceId device, const Chain<Component>& doomed, Aftermath& after) {
  Managed& here = managed(device);
  std::uint64_t freed = 0;
  doomed.for_each([&](const auto& component) { freed += component->bytes; });
  const auto before = here.host->read();
  // What was lost came back before anybody could look.
  bool was_lost = false;
  doomed.for_each([&](const auto& component) {
    was_lost = was_lost || (component->loaded && component->loaded->is_lost());
  });
  const bool provable = before && before->is_exact && before->ours && !was_lost;
  const ReturnBaseline baseline =
      provable ? return_baseline(*before, here.ledger.totals().used()) : ReturnBaseline();
  doomed.for_each([&](const auto& component) { here.host->free(std::move(component->loaded)); });
  if (provable || freed >= kWorthTrimming) here.host->drop_caches();
  const auto started = clock_.now();
  const std::uint64_t missing = provable ? await_return(here, baseline, freed) : 0;
  const std::chrono::duration<double> waited = clock_.now() - started;
  doomed.for_each([](const auto& component) { component->claim.release(); });
  const auto complaint = [&] {
    return fmt::format("{} of the {} freed did not come back within {:.1f} s", base::format_bytes(missing),
                       base::format_bytes(freed), waited.count());
  };
  {
    MutexLock lock(mutex_);
    residency_.departed(doomed);
    if (missing > 0) {
      residency_.note(after, [&] {
        return Event{.type = EventType::kMemoryMissing,
                     .device = device,
                     .bytes = missing,
                     .total_bytes = freed,
                     .seconds = waited.count(),
                     .message = complaint()};
      });
    }
    changed_.notify_all();
  }
  if (missing > 0) log_warning([&] { return base::to_string(device) + ": " + complaint(); });
}

std::uint64_t Manager::await_return(const Managed& device, const ReturnBaseline& baseline,
                                    std::uint64_t freed) const {
  const auto deadline = clock_.now() + options_.return_bound;
  std::chrono::nanoseconds step = kFirstPoll;
  for (;;) {
    const auto now = device.host->read();
    if (!now) return 0;  // nobody to ask any more
    // What others are freeing just now is still claimed, and may still be there.
    const std::uint64_t claimed = device.ledger.totals().used() - freed;
    const std::uint64_t missing = not_returned(baseline, *now, claimed, freed);
    if (missing == 0 || clock_.now() >= deadline) return missing;
    clock_.sleep_for(step);
    step = std::min<std::chrono::nanoseconds>(2 * step, kLongestPoll);
  }
}

}  // namespace greenroom::core
