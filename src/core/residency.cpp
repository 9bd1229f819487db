#include "core/residency.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <new>
#include <numeric>
#include <set>
#include <utility>

namespace greenroom::core {
namespace {

using TimePoint = base::Clock::TimePoint;
using ComponentPtr = std::shared_ptr<Component>;

void count_in(Names& names, const std::string& id) {
  ++names[id];
}

void remove(Names& names, const std::string& id) {
  const auto found = names.find(id);
  assert(found != names.end());
  if (--found->second == 0) names.erase(found);
}

// Without memory for it, `instead`, which needs none.
void assign(std::string& text, std::string_view value, std::string_view instead) noexcept {
  try {
    text = value;
  } catch (const std::bad_alloc&) {
    text = instead;
  }
}

}  // namespace

ModelStatus Residency::ModelRecord::status() const {
  if (is_ready()) return ModelStatus::kLoaded;
  if (attempt) return ModelStatus::kLoading;
  if (current) return ModelStatus::kError;
  if (draining > 0) return ModelStatus::kUnloading;
  return error.empty() ? ModelStatus::kUnloaded : ModelStatus::kError;
}

StagePins::StagePins(const Model& model) : stages(model.stages().size()), all(model.components().size()) {
  std::iota(all.begin(), all.end(), std::size_t{0});
  for (std::size_t i = 0; i < stages.size(); ++i) {
    auto& indexes = stages[i];
    indexes = model.stages()[i].components;
    std::sort(indexes.begin(), indexes.end());
    indexes.erase(std::unique(indexes.begin(), indexes.end()), indexes.end());
  }
}

Residency::ModelRecord* Residency::find(const std::string& id) {
  const auto found = models_.find(id);
  return found == models_.end() ? nullptr : &found->second;
}

const Residency::ModelRecord* Residency::find(const std::string& id) const {
  const auto found = models_.find(id);
  return found == models_.end() ? nullptr : &found->second;
}

void Residency::forget_if_empty(const std::string& id) {
  const auto found = models_.find(id);
  if (found != models_.end() && found->second.empty()) models_.erase(found);
}

std::vector<Residency::Missing> Residency::missing(const LoadAttempt& attempt) const {
  std::vector<Missing> result;
  std::set<ComponentKey> seen;
  for (std::size_t i = 0; i < attempt.keys.size(); ++i) {
    if (components_.count(attempt.keys[i]) != 0 || !seen.insert(attempt.keys[i]).second) continue;
    result.push_back({i, attempt.model->components()[i].bytes});
  }
  return result;
}

void Residency::join(LoadAttempt& attempt, const std::vector<Missing>& missing,
                     std::vector<Reservation> claims) {
  assert(missing.size() == claims.size());
  std::vector<ComponentPtr> fresh;
  fresh.reserve(missing.size());
  for (std::size_t i = 0; i < missing.size(); ++i) {
    const ComponentKey& key = attempt.keys[missing[i].index];
    fresh.push_back(std::make_shared<Component>(key, std::move(claims[i])));
    fresh.back()->uses = history_.counter(key, clock_.now());
  }
  attempt.components.reserve(attempt.keys.size());
  departing_.reserve(departing_.size() + components_.size() + fresh.size());  // nobody waits for room to go
  try {
    for (const ComponentPtr& component : fresh) components_.emplace(component->key, component);
    for (const ComponentKey& key : attempt.keys) {
      const ComponentPtr& component = components_.at(key);
      count_in(component->wanted_by, attempt.model_id);
      attempt.components.push_back(component);
    }
  } catch (...) {
    for (const ComponentPtr& component : attempt.components) remove(component->wanted_by, attempt.model_id);
    attempt.components.clear();
    for (const ComponentPtr& component : fresh) components_.erase(component->key);
    throw;
  }
  attempt.interested = true;
}

void Residency::drop_interest(LoadAttempt& attempt, Aftermath& after) {
  if (!std::exchange(attempt.interested, false)) return;
  for (const ComponentPtr& component : attempt.components) remove(component->wanted_by, attempt.model_id);
  for (const ComponentPtr& component : attempt.components) {
    if (!component->wanted_by.empty()) continue;
    if (component->state == Component::State::kReserved) {
      component->state = Component::State::kGone;
      component->claim.release();  // nothing was read: no memory to wait for
      components_.erase(component->key);
    } else if (component->state == Component::State::kReading && !component->cancelled->exchange(true)) {
      components_.erase(component->key);  // its reader frees it; who wants it again reads it again
      departing_.push_back(component);
    } else {
      let_go(component, after);
    }
  }
}

void Residency::cancel(LoadAttempt& attempt, Aftermath& after) {
  attempt.cancelled = true;
  drop_interest(attempt, after);
}

void Residency::finish(LoadAttempt& attempt, std::optional<Failure> failure, Aftermath& after) {
  if (failure) {
    finish_failed(attempt, std::move(*failure), after);
    return;
  }
  ModelRecord& record = models_.at(attempt.model_id);
  const auto fresh = std::make_shared<Composition>();
  fresh->model_id = attempt.model_id;
  fresh->model = attempt.model;
  fresh->device = attempt.device;
  fresh->components = attempt.components;
  fresh->pins = attempt.pins;
  fresh->holds = attempt.holds + (record.current ? record.current->holds : 0);
  fresh->owned = attempt.owned + (record.current ? record.current->owned : 0);
  fresh->last_used = clock_.now();
  update_holding(*fresh);
  // Nothing fails from here on.
  fresh->lineage = attempt.lineage = record.current ? record.current->lineage : ++lineages_;
  record.attempt.reset();
  attempt.done = true;
  for (const ComponentPtr& component : fresh->components) ++component->members;
  set_pinned(*fresh, settings(attempt.model_id).pin);
  drop_interest(attempt, after);
  record.error.clear();
  if (const auto old = std::exchange(record.current, fresh)) retire(record, old, after);
  if (fresh->holds == 0) leave_idle(*fresh);
  const std::chrono::duration<double> took = clock_.now() - attempt.started;
  note(after, [&] {
    return Event{.type = EventType::kLoadCompleted,
                 .model_id = attempt.model_id,
                 .device = attempt.device,
                 .bytes = total_bytes(attempt.components),
                 .seconds = took.count()};
  });
}

void Residency::finish_failed(LoadAttempt& attempt, Failure failure, Aftermath& after) {
  ModelRecord& record = models_.at(attempt.model_id);
  record.attempt.reset();
  attempt.done = true;
  attempt.failure = std::move(failure);
  drop_interest(attempt, after);
  const bool was_cancelled = attempt.failure->code == base::ErrorCode::kCancelled;
  if (was_cancelled && !record.current) record.error.clear();  // else it stays lost, for the reason it has
  if (!was_cancelled) {
    assign(record.error, attempt.failure->message, kNoMemory);
    record.error_code = attempt.failure->code;
  }
  note(after, [&] {
    return Event{.type = EventType::kLoadFailed,
                 .model_id = attempt.model_id,
                 .device = attempt.device,
                 .message = attempt.failure->message};
  });
  forget_if_empty(attempt.model_id);
}

void Residency::settle(const ComponentPtr& component, std::shared_ptr<LoadedComponent> loaded,
                       std::uint64_t loaded_bytes, std::optional<Failure> failure, Aftermath& after) {
  assert(component->state == Component::State::kReading);
  component->last_used = component->resident_since = clock_.now();
  if (loaded) {
    component->claim.become_resident(loaded_bytes);
    component->bytes = loaded_bytes;
    component->loaded = std::move(loaded);
  } else {
    component->claim.release();
    component->failure = std::move(failure);
  }
  const bool cancelled = component->cancelled->load();
  if (!component->loaded && !cancelled) {
    component->state = Component::State::kGone;
    components_.erase(component->key);
  } else if (cancelled) {
    component->state = Component::State::kGone;
    after.doomed.push(component);
  } else {
    component->state = Component::State::kResident;
    // While it was on its way into the tables.
    if (component->loaded->is_lost()) {
      lose_component(component, base::ErrorCode::kUnavailable,
                     "the process that loaded it has ended; it may be tried again", after);
    }
  }
}

std::uint64_t Residency::lose(base::DeviceId device, const Failure& reason, Aftermath& after) {
  std::uint64_t bytes = 0;
  for (const ComponentPtr& component : residents(device)) {
    if (!component->loaded->is_lost()) continue;
    bytes += component->bytes;
    lose_component(component, reason.code, reason.message, after);
  }
  return bytes;
}

void Residency::lose_component(const ComponentPtr& component, base::ErrorCode code, std::string_view reason,
                               Aftermath& after) {
  component->state = Component::State::kGone;
  component->failure.emplace(Failure{code, {}});
  assign(component->failure->message, reason, kNoMemory);
  components_.erase(component->key);
  departing_.push_back(component);
  if (component->leases == 0) {
    after.doomed.push(component);
  } else {
    component->lost_while_leased = true;  // it goes with the last of them
  }
  for (auto& [id, record] : models_) {
    if (!record.is_ready()) continue;
    const auto& parts = record.current->components;
    if (std::find(parts.begin(), parts.end(), component) == parts.end()) continue;
    record.current->lost = true;
    assign(record.error, reason, kNoMemory);
    record.error_code = code;
  }
}

std::vector<Residency::Lost> Residency::lost() const {
  std::vector<Lost> result;
  for (const auto& [id, record] : models_) {
    if (!record.current || !record.current->lost || clock_.now() < record.current->next_return) continue;
    result.push_back({id, record.current->model, record.device});
  }
  return result;
}

void Residency::note_failed_return(const std::string& id, Aftermath& after) {
  ModelRecord* record = find(id);
  if (record == nullptr || !record->current || !record->current->lost || record->attempt) return;
  if (record->current->holds > 0 || settings(id).pin) {
    constexpr std::chrono::seconds kFirst{2}, kLongest{300};
    constexpr int kMostDoublings = 8;
    const int doublings = std::min(record->current->failed_returns++, kMostDoublings);
    record->current->next_return =
        clock_.now() + std::min<std::chrono::nanoseconds>(kFirst * (1 << doublings), kLongest);
    return;
  }
  retire_current(*record, "it could not be loaded again: " + record->error, after);
  record->error.clear();
  forget_if_empty(id);
}

void Residency::touch(const std::string& id) {
  const ModelRecord* record = find(id);
  if (record == nullptr || !record->current) return;
  record->current->last_used = clock_.now();
  for (const ComponentPtr& component : record->current->components) {
    component->last_used = record->current->last_used;
  }
}

void Residency::add_hold(Composition& composition) {
  ++composition.holds;
  try {
    update_holding(composition);
  } catch (...) {
    --composition.holds;
    throw;
  }
}

void Residency::take_hold(ModelRecord& record, bool keep, Aftermath& after) {
  Composition& current = *record.current;
  if (current.holds > 0) --current.holds;
  if (current.holds > 0) return;
  if (!keep) {
    retire_current(record, "", after);
    return;
  }
  leave_idle(current);
  update_holding(current);
  retire_if_unwanted(record, after);
}

void Residency::leave_idle(Composition& composition) {
  composition.last_used = clock_.now();
  for (const ComponentPtr& component : composition.components) {
    component->kept = true;
    component->last_used = composition.last_used;
  }
}

void Residency::retire_if_unwanted(ModelRecord& record, Aftermath& after) {
  if (!record.current || record.current->holds > 0 || record.current->leases > 0) return;
  const ModelSettings wanted = settings(record.current->model_id);
  if (wanted.pin || wanted.keep_alive != std::chrono::nanoseconds(0)) return;
  retire_current(record, "it is not to be kept alive when idle", after);
}

void Residency::retire_current(ModelRecord& record, std::string_view cause, Aftermath& after) {
  note(after, [&] {
    return Event{.type = EventType::kUnloadStarted,
                 .model_id = record.current->model_id,
                 .device = record.device,
                 .bytes = total_bytes(record.current->components),
                 .cause = std::string(cause)};
  });
  assign(record.current->unload_cause, cause, "");
  retire(record, std::exchange(record.current, nullptr), after);
}

std::uint64_t Residency::sweep(std::chrono::nanoseconds idle_timeout, Aftermath& after) {
  const TimePoint now = clock_.now();
  const auto doomed_bytes = [&] {
    std::uint64_t bytes = 0;
    after.doomed.for_each([&](const ComponentPtr& component) { bytes += component->bytes; });
    return bytes;
  };
  const std::uint64_t before = doomed_bytes();
  std::vector<std::string> ids;
  for (const auto& [id, record] : models_) {
    if (record.current && record.current->holds == 0 && record.current->leases == 0 && !record.attempt)
      ids.push_back(id);
  }
  for (const std::string& id : ids) {
    ModelRecord& record = models_.at(id);
    const ModelSettings wanted = settings(id);
    if (wanted.pin || now - record.current->last_used < wanted.keep_alive.value_or(idle_timeout)) continue;
    retire_current(record, idle_cause("swept", record.current->last_used), after);
    forget_if_empty(id);
  }
  std::vector<ComponentPtr> left_over;  // by models that were evicted
  for (const auto& [key, component] : components_) {
    if (component->evictable() && component->members == 0 && now - component->last_used >= idle_timeout)
      left_over.push_back(component);
  }
  for (const ComponentPtr& component : left_over) evict(component, "swept", after);
  return doomed_bytes() - before;
}

void Residency::configure(const std::string& id, const ModelSettings& wanted, Aftermath& after) {
  if (wanted.pin || wanted.keep_alive) {
    settings_[id] = wanted;
  } else {
    settings_.erase(id);
  }
  ModelRecord* record = find(id);
  if (record == nullptr || !record->current) return;
  set_pinned(*record->current, wanted.pin);
  retire_if_unwanted(*record, after);
  forget_if_empty(id);
}

ModelSettings Residency::settings(const std::string& id) const {
  const auto found = settings_.find(id);
  return found == settings_.end() ? ModelSettings() : found->second;
}

void Residency::set_pinned(Composition& composition, bool pinned) {
  if (pinned == composition.pinned) return;
  composition.pinned = pinned;
  for (const ComponentPtr& component : composition.components) component->pins += pinned ? 1 : -1;
}

void Residency::retire(ModelRecord& record, const std::shared_ptr<Composition>& composition,
                       Aftermath& after) {
  composition->retired = true;
  composition->holds = 0;
  set_pinned(*composition, false);
  for (const ComponentPtr& component : composition->components) --component->members;
  ++record.draining;
  update_holding(*composition);
  if (composition->leases == 0) {
    finish_retired(composition, after);
  } else {
    composition->self = composition;
  }
}

void Residency::finish_retired(const std::shared_ptr<Composition>& composition, Aftermath& after) {
  for (const ComponentPtr& component : composition->components) {
    if (component->members == 0) component->kept = false;
    let_go(component, after);
  }
  ModelRecord& record = models_.at(composition->model_id);
  --record.draining;
  after.retired.push(composition);
  if (record.current || record.draining > 0) return;
  note(after, [&] {
    return Event{.type = EventType::kUnloadCompleted,
                 .model_id = composition->model_id,
                 .device = composition->device,
                 .bytes = total_bytes(composition->components),
                 .cause = composition->unload_cause};
  });
}

void Residency::pin(Composition& composition, const std::vector<std::size_t>& pinned) {
  ++composition.leases;
  try {
    update_holding(composition);
  } catch (...) {
    --composition.leases;
    throw;
  }
  for (const std::size_t index : pinned) ++composition.components[index]->leases;
}

bool Residency::unpin(Composition& composition, const std::vector<std::size_t>& pinned, TimePoint now) {
  composition.last_used = now;
  bool is_last_of_lost = false;
  for (const std::size_t index : pinned) {
    Component& component = *composition.components[index];
    is_last_of_lost |= --component.leases == 0 && component.lost_while_leased;
    component.last_used = now;
    component.uses->add(now);  // nobody asks while it is pinned
  }
  return (--composition.leases == 0 && composition.holds == 0) || is_last_of_lost;
}

void Residency::end_use(Composition& composition, Aftermath& after) {
  for (const ComponentPtr& component : composition.components) {
    if (component->leases == 0 && std::exchange(component->lost_while_leased, false))
      after.doomed.push(component);
  }
  if (composition.leases > 0 || composition.holds > 0) return;
  update_holding(composition);
  const std::string& id = composition.model_id;
  if (composition.retired) {
    finish_retired(std::exchange(composition.self, nullptr), after);  // which keeps it to the end of this
  } else {
    retire_if_unwanted(models_.at(id), after);
  }
  forget_if_empty(id);
}

void Residency::update_holding(Composition& composition) {
  const bool holding = composition.leases > 0 || composition.holds > 0;
  if (holding == composition.holding) return;
  const auto& components = composition.components;
  std::size_t done = 0;
  try {
    for (; holding && done < components.size(); ++done) {
      count_in(components[done]->holders, composition.model_id);
    }
  } catch (...) {
    while (done > 0) remove(components[--done]->holders, composition.model_id);
    throw;
  }
  composition.holding = holding;
  if (holding) return;
  for (const ComponentPtr& component : components) remove(component->holders, composition.model_id);
}

void Residency::let_go(const ComponentPtr& component, Aftermath& after) {
  if (component->idle() && component->members == 0 && !component->kept) take_out(component, after);
}

void Residency::take_out(const ComponentPtr& component, Aftermath& after) {
  component->state = Component::State::kGone;
  components_.erase(component->key);
  departing_.push_back(component);
  after.doomed.push(component);
}

std::string Residency::idle_cause(const std::string& reason, TimePoint since) const {
  const auto idle = std::chrono::duration_cast<std::chrono::seconds>(clock_.now() - since);
  return fmt::format("{}, idle {} s", reason, idle.count());
}

void Residency::evict(const ComponentPtr& component, const std::string& reason, Aftermath& after) {
  assert(component->evictable());
  const std::string cause = idle_cause(reason, component->last_used);
  note(after, [&] {
    return Event{.type = EventType::kEvicted,
                 .device = component->key.device,
                 .component = label(component->key),
                 .bytes = component->bytes,
                 .cause = cause};
  });
  take_out(component, after);
  for (auto it = models_.begin(); it != models_.end() && component->members > 0;) {
    const std::string& id = it->first;
    ModelRecord& record = it->second;
    ++it;
    if (!record.current) continue;
    const auto& parts = record.current->components;
    if (std::find(parts.begin(), parts.end(), component) == parts.end()) continue;
    for (const ComponentPtr& part : parts) --part->members;
    note(after, [&] {
      return Event{.type = EventType::kUnloadCompleted,
                   .model_id = id,
                   .device = record.device,
                   .cause = fmt::format("{} was evicted {}", label(component->key), cause)};
    });
    after.retired.push(std::move(record.current));
    record.current.reset();
    forget_if_empty(id);
  }
}

bool Residency::is_departing(base::DeviceId device, bool with_reads) const {
  return std::any_of(departing_.begin(), departing_.end(), [&](const ComponentPtr& component) {
    return component->key.device == device && (with_reads || component->state == Component::State::kGone);
  });
}

void Residency::departed(const Chain<Component>& components) {
  components.for_each([&](const ComponentPtr& component) { std::erase(departing_, component); });
}

void Residency::add(Aftermath& after, Event event) {
  event.sequence = ++sequence_;
  event.time = clock_.wall_now();
  const ModelRecord* record = event.model_type.empty() ? find(event.model_id) : nullptr;
  if (record != nullptr) event.model_type = record->type;
  after.events.push_back(std::move(event));
}

Aftermath Residency::clear() {
  Aftermath after;
  for (auto& [key, component] : components_) {
    assert(component->leases == 0 && component->wanted_by.empty());
    component->state = Component::State::kGone;
    after.doomed.push(component);
  }
  components_.clear();
  for (auto& [id, record] : models_) {
    if (record.current) after.retired.push(std::move(record.current));
  }
  models_.clear();
  return after;
}

}  // namespace greenroom::core
