// How the manager answers "what if": the same steps as a load, without the effects.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "core/manager.h"
#include "core/refusal.h"

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

std::string purpose_of(const std::vector<PlanItem>& items) {
  std::vector<std::string> ids;
  ids.reserve(items.size());
  for (const PlanItem& item : items) ids.push_back(fmt::format("'{}'", item.id));
  return fmt::format("loading {}", fmt::join(ids, ", "));
}

// Each component once. Looks at files.
std::vector<std::pair<ComponentKey, std::uint64_t>> parts_of(const std::vector<PlanItem>& items,
                                                             base::DeviceId device) {
  std::vector<std::pair<ComponentKey, std::uint64_t>> parts;
  std::set<ComponentKey> seen;
  for (const PlanItem& item : items) {
    for (const ComponentSpec& spec : item.model->components()) {
      ComponentKey key = identify(spec, device);
      if (seen.insert(key).second) parts.emplace_back(std::move(key), spec.bytes);
    }
  }
  return parts;
}

}  // namespace

Plan Manager::plan(const std::vector<PlanItem>& items, base::DeviceId device, std::uint64_t workspace_bytes) {
  const auto parts = parts_of(items, device);
  const Capacity there = capacity(device);
  MutexLock lock(mutex_);
  return plan_under_lock(purpose_of(items), device, parts, workspace_bytes, there);
}

Placement Manager::place(const std::vector<PlanItem>& items, const PlacementRules& rules,
                         const std::map<base::DeviceId, int>& utilisation) {
  std::vector<PlacementCandidate> candidates;
  for (const auto& [device, here] : devices_) {
    const auto parts = parts_of(items, device);
    const Capacity there = capacity(device);
    PlacementCandidate candidate{device};
    if (const auto busy = utilisation.find(device); busy != utilisation.end()) {
      candidate.utilisation_percent = busy->second;
    }
    MutexLock lock(mutex_);
    std::vector<ComponentKey> wanted;
    for (const auto& [key, bytes] : parts) {
      wanted.push_back(key);
      (residency_.is_known(key) ? candidate.present : candidate.missing) += bytes;
    }
    const LedgerTotals totals = here.ledger.totals();
    const std::uint64_t capacity = std::min(totals.capacity, there.bytes);
    std::uint64_t needed = totals.used();
    for (const Resident& resident : weigh_residents(residency_.residents(device), wanted)) {
      if (!resident.pinned) needed -= std::min(needed, resident.bytes);
    }
    candidate.room = capacity - std::min(capacity, needed);
    candidates.push_back(candidate);
  }
  return core::place(candidates, rules);
}

Plan Manager::plan_under_lock(const std::string& purpose, base::DeviceId device,
                              const std::vector<std::pair<ComponentKey, std::uint64_t>>& parts,
                              std::uint64_t workspace_bytes, const Capacity& there) const {
  Plan plan;
  plan.purpose = purpose;
  plan.device = device;
  Demand demand{purpose, device, workspace_bytes};
  if (workspace_bytes > 0) demand.parts.emplace_back("workspace", workspace_bytes);
  std::vector<ComponentKey> wanted;
  const History& history = residency_.history();
  for (const auto& [key, bytes] : parts) {
    wanted.push_back(key);
    PlanPart part{label(key), bytes};
    if (residency_.is_known(key)) {
      part.source = Source::kResident;
    } else {
      const bool has_image = tier_.has(key);
      part.source = has_image ? Source::kHost : Source::kDisk;
      part.seconds =
          has_image ? history.seconds_from_host(key, bytes) : history.seconds_from_disk(key, bytes);
      const auto sum = base::checked_add(demand.bytes, bytes);
      if (!sum) throw Error(ErrorCode::kInvalidArgument, purpose + ": its components exceed 2^64 bytes");
      demand.bytes = *sum;
      demand.parts.emplace_back(part.component, bytes);
    }
    plan.seconds += part.seconds;
    plan.parts.push_back(std::move(part));
  }
  demand.wanted = wanted;
  const Weighing weighing = weigh(demand, there);
  plan.fits = weighing.decision.verdict != Verdict::kRefuse;
  plan.needed_bytes = demand.bytes;
  plan.free_bytes = weighing.totals.free();
  plan.capacity_bytes = weighing.totals.capacity;
  plan.bound_by = there.bound_by;
  std::uint64_t freed = 0;
  for (const std::size_t victim : weighing.decision.evict) {
    const Component& component = *weighing.residents[victim];
    const Resident& known = weighing.candidates[victim];
    const std::chrono::duration<double> idle = clock_.now() - known.last_used;
    freed += component.bytes;
    plan.evict.push_back({label(component.key), component.bytes, residency_.models_with(component),
                          fmt::format("idle {:.0f} s, {:.1f} recent uses, {:.2f} s to bring back",
                                      idle.count(), known.uses, known.reload_seconds)});
  }
  if (plan.fits) {
    const std::uint64_t after = weighing.totals.used() - freed + demand.bytes;
    plan.remaining_bytes = weighing.totals.capacity - std::min(weighing.totals.capacity, after);
  } else {
    plan.problem = core::describe({purpose, device, demand.bytes, demand.parts, weighing.totals,
                                   there.bound_by, residency_.components(device)});
  }
  return plan;
}

}  // namespace greenroom::core
