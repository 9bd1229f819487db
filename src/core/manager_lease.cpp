// How the manager leases: pins and workspace.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "core/manager.h"

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

std::vector<std::size_t> components_of(const Model& model, std::size_t stage) {
  std::vector<std::size_t> indexes;
  if (stage == kAllStages) {
    indexes.resize(model.components().size());
    std::iota(indexes.begin(), indexes.end(), std::size_t{0});
    return indexes;
  }
  if (stage >= model.stages().size()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("stage {} of a {} model, which has {}", stage,
                                                         model.type(), model.stages().size()));
  }
  indexes = model.stages()[stage].components;
  std::sort(indexes.begin(), indexes.end());
  indexes.erase(std::unique(indexes.begin(), indexes.end()), indexes.end());
  return indexes;
}

}  // namespace

std::shared_ptr<Composition> Manager::leasable(const std::string& id) {
  const auto* record = residency_.find(id);
  if (record == nullptr) throw Error(ErrorCode::kNotFound, fmt::format("'{}' is not loaded", id));
  if (record->current) return record->current;
  std::string message = fmt::format("'{}' cannot be used: it is {}", id, model_status_name(record->status()));
  if (record->status() == ModelStatus::kError) {
    message = fmt::format("'{}' cannot be used: its last load failed: {}", id, record->error);
  }
  throw Error(ErrorCode::kFailedPrecondition, message);
}

Lease Manager::pin(std::shared_ptr<Composition> composition, std::vector<std::size_t> pinned) {
  residency_.pin(*composition, pinned);
  return Lease(*this, std::move(composition), std::move(pinned));
}

Lease Manager::lease(const std::string& id, std::size_t stage, std::uint64_t workspace_bytes) {
  Lease lease;
  {
    MutexLock lock(mutex_);
    std::shared_ptr<Composition> composition = leasable(id);
    std::vector<std::size_t> pinned = components_of(*composition->model, stage);
    lease = pin(std::move(composition), std::move(pinned));
  }
  if (workspace_bytes > 0) lease.workspace_ = reserve_workspace(*lease.composition_, workspace_bytes);
  return lease;
}

Run Manager::start_run(const std::string& id) {
  MutexLock lock(mutex_);
  return Run(*this, pin(leasable(id), {}));
}

Lease Manager::lease_of(const Lease& whole, std::size_t stage, std::uint64_t workspace_bytes) {
  Lease lease;
  {
    MutexLock lock(mutex_);
    lease = pin(whole.composition_, components_of(*whole.composition_->model, stage));
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
    Aftermath after;
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
    deliver(std::move(after));
    if (room == Room::kCachesFirst) demand.ask_caches = drop_caches(composition.device, bytes);
  }
}

void Manager::release(const std::shared_ptr<Composition>& composition,
                      const std::vector<std::size_t>& pinned) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    residency_.unpin(composition, pinned, after);
  }
  deliver(std::move(after));
}

}  // namespace greenroom::core
