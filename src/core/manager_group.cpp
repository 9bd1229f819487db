// How the manager loads several models or none: Manager::load_group, and the holds it gives out.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "core/manager.h"
#include "core/parallel.h"
#include "core/policy.h"

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

// The components of several models as those of one, so that admission sees them as one load: shared ones
// are counted once, and what the models together lack is reserved in one decision. Immutable.
class Union final : public Model {
 public:
  explicit Union(std::vector<std::shared_ptr<const Model>> models) : models_(std::move(models)) {
    for (std::size_t m = 0; m < models_.size(); ++m) {
      const auto& components = models_[m]->components();
      for (std::size_t i = 0; i < components.size(); ++i) {
        specs_.push_back(components[i]);
        origins_.emplace_back(m, i);
      }
    }
  }

  std::string type() const override { return "group"; }
  const std::vector<ComponentSpec>& components() const override { return specs_; }
  const std::vector<Stage>& stages() const override { return stages_; }
  std::shared_ptr<LoadedComponent> load_component(std::size_t index, base::DeviceId device,
                                                  const LoadControl& control) const override {
    const auto& [model, component] = origins_.at(index);
    return models_[model]->load_component(component, device, control);
  }

 private:
  std::vector<std::shared_ptr<const Model>> models_;
  std::vector<ComponentSpec> specs_;
  std::vector<Stage> stages_;
  std::vector<std::pair<std::size_t, std::size_t>> origins_;  // model, component
};

}  // namespace

// Reservations of a group that is being loaded: what is reserved stays so until the last member is ready.
class Manager::GroupClaim {
 public:
  explicit GroupClaim(Manager& manager) : manager_(manager) {}
  GroupClaim(const GroupClaim&) = delete;
  GroupClaim& operator=(const GroupClaim&) = delete;
  ~GroupClaim() {
    Duties after(manager_);
    {
      MutexLock lock(manager_.mutex_);
      for (const auto& attempt : attempts_) manager_.residency_.cancel(*attempt, after);
      manager_.changed_.notify_all();
    }
    manager_.deliver(std::move(static_cast<Aftermath&>(after)));
  }

  void admit(const std::string& purpose, const std::vector<GroupMember>& members) {
    std::map<base::DeviceId, std::vector<std::shared_ptr<const Model>>> by_device;
    for (const GroupMember& member : members) by_device[member.device].push_back(member.model);
    for (auto& [device, models] : by_device) {
      attempts_.push_back(manager_.make_attempt(purpose, std::make_shared<Union>(std::move(models)), device));
      manager_.admit(*attempts_.back());
    }
  }

 private:
  Manager& manager_;
  std::vector<std::shared_ptr<LoadAttempt>> attempts_;  // one per device
};

std::vector<ModelHold> Manager::load_group(const std::string& purpose,
                                           const std::vector<GroupMember>& members) {
  std::set<std::string> ids;
  for (const GroupMember& member : members) {
    if (!ids.insert(member.id).second) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: the model '{}' is named twice", purpose, member.id));
    }
  }
  if (members.size() == 1) {
    std::vector<ModelHold> single;
    single.push_back(load_held(members.front()));
    return single;
  }
  GroupClaim claim(*this);
  claim.admit(purpose, members);
  std::vector<ModelHold> holds(members.size());
  std::vector<std::optional<Error>> errors(members.size());
  run_in_parallel(members.size(), [&](std::size_t i) {
    try {
      holds[i] = load_held(members[i]);
    } catch (const Error& error) {
      errors[i] = error;
    }
  });
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!errors[i]) continue;
    for (ModelHold& hold : holds) {
      if (hold.was_loaded_) hold.leave_idle();  // as it was found
    }
    throw Error(errors[i]->code(), fmt::format("{}: '{}' could not be loaded, so none of them is held: {}",
                                               purpose, members[i].id, errors[i]->what()));
  }
  return holds;
}

bool Manager::fits(const std::vector<GroupMember>& members, Space space,
                   const std::vector<std::string>& spared) const {
  std::map<base::DeviceId, std::map<ComponentKey, std::uint64_t>> wanted;
  for (const GroupMember& member : members) {
    if (devices_.count(member.device) == 0) return false;
    for (const ComponentSpec& spec : member.model->components()) {
      wanted[member.device][identify(spec, member.device)] = spec.bytes;
    }
  }
  std::map<base::DeviceId, Capacity> there;
  for (const auto& [device, components] : wanted) there[device] = capacity(device);
  MutexLock lock(mutex_);
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& part) REQUIRES_LOCK(mutex_) {
    const auto& [device, components] = part;
    std::vector<ComponentKey> kept;
    for (const auto& [key, bytes] : components) kept.push_back(key);
    for (const std::string& id : spared) {
      const auto* record = residency_.find(id);
      if (record == nullptr || !record->current) continue;
      for (const auto& component : record->current->components) kept.push_back(component->key);
    }
    std::uint64_t missing = 0;
    for (const auto& [key, bytes] : components) {
      if (residency_.is_known(key)) continue;
      const auto sum = base::checked_add(missing, bytes);
      if (!sum) return false;
      missing = *sum;
    }
    Demand demand{"", device, missing};
    demand.wanted = kept;
    const Verdict verdict = weigh(demand, there.at(device)).decision.verdict;
    return verdict == Verdict::kGrant || (verdict == Verdict::kEvict && space == Space::kIdle);
  });
}

std::shared_ptr<LoadAttempt> Manager::attempt_for(const GroupMember& member) {
  try {
    return make_attempt(member.id, member.model, member.device);
  } catch (const Error& error) {
    record_failure(member.id, *member.model, member.device, {error.code(), error.what()});
    throw;
  }
}

void Manager::load_on_demand(const GroupMember& member, const std::function<void()>& admitted) {
  const auto attempt = attempt_for(member);
  attempt->admitted = admitted;
  if (enter(attempt)) carry_out(*attempt);
}

ModelHold Manager::load_held(const GroupMember& member) {
  std::string id = member.id;  // now: with the hold there, nothing may fail
  const auto attempt = attempt_for(member);
  attempt->holds = attempt->owned = 1;
  const bool is_ours = enter(attempt);
  if (is_ours) carry_out(*attempt);
  MutexLock lock(mutex_);
  return ModelHold(*this, std::move(id), attempt->lineage, !is_ours);
}

std::vector<ModelHold> Manager::hold_loaded(const std::vector<std::string>& ids) {
  std::vector<ModelHold> holds;
  holds.reserve(ids.size());
  MutexLock lock(mutex_);
  for (const std::string& id : ids) {
    const auto* record = residency_.find(id);
    if (record == nullptr || !record->current) continue;
    std::string name = id;
    residency_.add_hold(*record->current);
    ++record->current->owned;
    holds.push_back(
        ModelHold(*this, std::move(name), record->current->lineage, /*was_loaded=*/true, /*ends_idle=*/true));
  }
  return holds;
}

bool Manager::has_hold(const std::string& id, std::uint64_t lineage) const {
  MutexLock lock(mutex_);
  const auto* record = residency_.find(id);
  return record != nullptr && record->current && record->current->lineage == lineage;
}

void Manager::take_hold(const std::string& id, std::uint64_t lineage, bool keep) {
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    auto* record = residency_.find(id);
    if (record == nullptr || !record->current || record->current->lineage != lineage) return;
    --record->current->owned;
    residency_.take_hold(*record, keep, after);
    residency_.forget_if_empty(id);
    changed_.notify_all();
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
}

}  // namespace greenroom::core
