// How the manager leases: pins and workspace.
#include <spdlog/fmt/fmt.h>

#include <utility>

#include "base/error.h"
#include "core/manager.h"

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

const std::vector<std::size_t> no_components;

const std::vector<std::size_t>& components_of(const Composition& composition, std::size_t stage) {
  if (stage == kAllStages) return composition.pins->all;
  if (stage < composition.pins->stages.size()) return composition.pins->stages[stage];
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("stage {} of a {} model, which has {}", stage, composition.model->type(),
                          composition.pins->stages.size()));
}

}  // namespace

Composition& Manager::leasable(const std::string& id) {
  const auto* record = residency_.find(id);
  if (record == nullptr) throw Error(ErrorCode::kNotFound, fmt::format("'{}' is not loaded", id));
  if (record->is_ready()) return *record->current;
  std::string message = fmt::format("'{}' cannot be used: it is {}", id, model_status_name(record->status()));
  if (record->status() == ModelStatus::kError) {
    message = record->current
                  ? fmt::format("'{}' cannot be used until it is loaded again: {}", id, record->error)
                  : fmt::format("'{}' cannot be used: its last load failed: {}", id, record->error);
  }
  throw Error(ErrorCode::kFailedPrecondition, message);
}

Lease Manager::pin(Composition& composition, const std::vector<std::size_t>& pinned) {
  residency_.pin(composition, pinned);
  return Lease(*this, composition, pinned);
}

Lease Manager::pin_stage(const std::string& id, std::size_t stage) {
  MutexLock lock(mutex_);
  Composition& composition = leasable(id);
  return pin(composition, components_of(composition, stage));
}

Lease Manager::lease(const std::string& id, std::size_t stage, std::uint64_t workspace_bytes) {
  Lease lease = pin_stage(id, stage);
  if (workspace_bytes > 0) lease.workspace_ = reserve_workspace(*lease.composition_, workspace_bytes);
  return lease;
}

Run Manager::start_run(const std::string& id) {
  MutexLock lock(mutex_);
  return Run(*this, pin(leasable(id), no_components));
}

Lease Manager::lease_of(const Lease& whole, std::size_t stage, std::uint64_t workspace_bytes) {
  Lease lease;
  {
    MutexLock lock(mutex_);
    const auto& pinned = components_of(*whole.composition_, stage);
    for (const std::size_t index : pinned) {
      // Lost since the run began; nothing else frees what a run is made of.
      const Component& component = *whole.composition_->components[index];
      if (component.state == Component::State::kGone) component.failure->raise();
    }
    lease = pin(*whole.composition_, pinned);
  }
  if (workspace_bytes > 0) lease.workspace_ = reserve_workspace(*lease.composition_, workspace_bytes);
  return lease;
}

Reservation Manager::reserve_workspace(const Composition& composition, std::uint64_t bytes) {
  Demand demand{fmt::format("the workspace of a run of '{}'", composition.model_id), composition.device,
                bytes};
  for (;;) {
    const Capacity there = capacity(composition.device);
    Room room = Room::kPending;
    Duties after(*this);
    {
      MutexLock lock(mutex_);
      room = find_room(demand, there, after);
      if (room == Room::kPending) changed_.wait(mutex_);
      if (room == Room::kFits) {
        if (auto claim = managed(composition.device).ledger.reserve_workspace(bytes)) {
          return std::move(*claim);
        }
      }
    }
    deliver(std::move(static_cast<Aftermath&>(after)));
    if (room == Room::kCachesFirst) demand.ask_caches = drop_caches(composition.device, bytes);
  }
}

void Manager::release(Composition& composition, const std::vector<std::size_t>& pinned) {
  std::optional<Duties> after;
  const auto now = clock_.now();  // not under the lock, which is taken by every lease
  {
    MutexLock lock(mutex_);
    if (!residency_.unpin(composition, pinned, now)) return;
    residency_.end_use(composition, after.emplace(*this));
  }
}

}  // namespace greenroom::core
