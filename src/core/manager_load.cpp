// How the manager loads: Manager::load and its steps.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <exception>
#include <new>
#include <tuple>
#include <utility>

#include "base/bytes.h"
#include "base/current_error.h"
#include "base/error.h"
#include "base/log.h"
#include "core/manager.h"

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

// What is being thrown right now, as a value. REQUIRES: called from a catch block.
Failure current_failure() noexcept {
  try {
    const Error error = base::current_error();
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {  // not even for the message
    return {ErrorCode::kResourceExhausted, std::string(kNoMemory)};
  }
}

Failure cancellation(const LoadAttempt& attempt) {
  return {ErrorCode::kCancelled, fmt::format("the load of '{}' was cancelled", attempt.model_id)};
}

// Is the one a newer reading of the other's files?
bool same_files(const LoadAttempt& attempt, const Composition& composition) {
  return attempt.device == composition.device && attempt.model->type() == composition.model->type() &&
         std::equal(attempt.keys.begin(), attempt.keys.end(), composition.components.begin(),
                    composition.components.end(),
                    [](const auto& key, const auto& component) { return key.file == component->key.file; });
}

bool same_keys(const LoadAttempt& attempt, const Composition& composition) {
  return attempt.model->type() == composition.model->type() &&
         std::equal(attempt.keys.begin(), attempt.keys.end(), composition.components.begin(),
                    composition.components.end(),
                    [](const auto& key, const auto& component) { return key == component->key; });
}

}  // namespace

void Manager::load(const std::string& id, const std::shared_ptr<const Model>& model, base::DeviceId device) {
  load_with(id, model, device, 1);
}

void Manager::preload(const std::string& id, const std::shared_ptr<const Model>& model,
                      base::DeviceId device) {
  publish(
      {.type = EventType::kPreloadRequested, .model_id = id, .model_type = model->type(), .device = device});
  load_with(id, model, device, 0);
}

std::string Manager::load_as_planned(const std::string& id, const std::shared_ptr<const Model>& model,
                                     const Plan& plan) {
  return what_changed(plan, load_with(id, model, plan.device, 1));
}

std::vector<std::string> Manager::load_with(const std::string& id, const std::shared_ptr<const Model>& model,
                                            base::DeviceId device, int holds) {
  std::shared_ptr<LoadAttempt> attempt;
  try {
    attempt = make_attempt(id, model, device);
  } catch (const Error& error) {
    record_failure(id, *model, device, {error.code(), error.what()});
    throw;
  }
  attempt->holds = holds;
  if (!enter(attempt)) return {};
  carry_out(*attempt);
  return std::move(attempt->evicted);
}

void Manager::carry_out(LoadAttempt& attempt) {
  std::optional<Failure> failure;
  try {
    admit(attempt);
    if (attempt.admitted) attempt.admitted();
    while (const auto index = next_to_read(attempt)) read(attempt, *index);
  } catch (...) {
    failure = current_failure();
  }
  finish(attempt, std::move(failure));
  if (attempt.failure) attempt.failure->raise();
}

std::shared_ptr<LoadAttempt> Manager::make_attempt(const std::string& id,
                                                   const std::shared_ptr<const Model>& model,
                                                   base::DeviceId device) {
  std::ignore = managed(device);
  auto attempt = std::make_shared<LoadAttempt>();
  attempt->model_id = id;
  attempt->model = model;
  attempt->device = device;
  attempt->pins = std::make_shared<const StagePins>(*model);
  attempt->started = clock_.now();
  for (const ComponentSpec& spec : model->components()) attempt->keys.push_back(identify(spec, device));
  return attempt;
}

bool Manager::enter(const std::shared_ptr<LoadAttempt>& attempt) {
  Duties after(*this);
  bool is_ours = false;
  {
    MutexLock lock(mutex_);
    is_ours = try_enter(attempt, after);
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
  return is_ours;
}

bool Manager::try_enter(const std::shared_ptr<LoadAttempt>& attempt, Aftermath& after) {
  while (auto* record = residency_.find(attempt->model_id)) {
    if (record->is_ready() && same_keys(*attempt, *record->current)) {
      if (attempt->holds > 0) residency_.add_hold(*record->current);
      record->current->owned += attempt->owned;
      attempt->lineage = record->current->lineage;
      record->current->last_used = clock_.now();
      residency_.note(after, [&] {
        return Event{.type = EventType::kCacheHit, .model_id = attempt->model_id, .device = attempt->device};
      });
      return false;
    }
    if (const std::shared_ptr<LoadAttempt> other = record->attempt) {
      const bool is_same = other->keys == attempt->keys && other->model->type() == attempt->model->type();
      if (is_same) {
        ++other->joiners;
        other->holds += attempt->holds;
        other->owned += attempt->owned;
      }
      while (!other->done) changed_.wait(mutex_);
      if (!is_same) continue;
      if (other->failure) other->failure->raise();
      attempt->lineage = other->lineage;
      return false;
    }
    if (record->current && !same_files(*attempt, *record->current)) {
      throw Error(
          ErrorCode::kFailedPrecondition,
          fmt::format("'{}' is already loaded on {} from other files: unload it first, or use another id",
                      attempt->model_id, base::to_string(record->device)));
    }
    break;
  }
  begin(attempt, after);
  return true;
}

void Manager::begin(const std::shared_ptr<LoadAttempt>& attempt, Aftermath& after) {
  std::uint64_t bytes = 0;
  std::uint64_t missing = 0;
  for (const ComponentSpec& spec : attempt->model->components()) bytes += spec.bytes;
  for (const auto& part : residency_.missing(*attempt)) missing += part.bytes;
  std::string type = attempt->model->type();
  auto& record = residency_.record(attempt->model_id);
  // Nothing fails from here on.
  record.type = std::move(type);
  record.device = attempt->device;
  record.attempt = attempt;
  residency_.note(after, [&] {
    return Event{.type = EventType::kCacheMiss,
                 .model_id = attempt->model_id,
                 .device = attempt->device,
                 .bytes = missing,
                 .total_bytes = bytes};
  });
  residency_.note(after, [&] {
    return Event{.type = EventType::kLoadStarted,
                 .model_id = attempt->model_id,
                 .device = attempt->device,
                 .bytes = bytes};
  });
}

void Manager::admit(LoadAttempt& attempt) {
  bool ask_caches = true;
  for (Room room = Room::kMade; room != Room::kFits;) {
    const Capacity there = capacity(attempt.device);  // read at the moment of need, outside the lock
    Duties after(*this);
    {
      MutexLock lock(mutex_);
      room = try_admit(attempt, there, ask_caches, after);
      if (room == Room::kPending) changed_.wait(mutex_);
    }
    deliver(std::move(static_cast<Aftermath&>(after)));
    if (room == Room::kCachesFirst) ask_caches = drop_caches(attempt.device, UINT64_MAX);
  }
}

Manager::Demand Manager::demand_of(const LoadAttempt& attempt,
                                   const std::vector<Residency::Missing>& missing) const {
  Demand demand{fmt::format("loading '{}'", attempt.model_id), attempt.device};
  demand.wanted = attempt.keys;
  demand.is_load = true;
  for (const auto& [index, bytes] : missing) {
    const auto sum = base::checked_add(demand.bytes, bytes);
    if (!sum) throw Error(ErrorCode::kInvalidArgument, demand.purpose + ": its components exceed 2^64 bytes");
    demand.bytes = *sum;
    demand.parts.emplace_back(label(attempt.keys[index]), bytes);
  }
  return demand;
}

Manager::Room Manager::try_admit(LoadAttempt& attempt, const Capacity& capacity, bool ask_caches,
                                 Aftermath& after) {
  if (attempt.cancelled) cancellation(attempt).raise();
  const std::vector<Residency::Missing> missing = residency_.missing(attempt);
  Demand demand = demand_of(attempt, missing);
  demand.ask_caches = ask_caches;
  demand.evicted = &attempt.evicted;
  const Room room = find_room(demand, capacity, after);
  if (room != Room::kFits) return room;

  std::vector<Reservation> claims;
  for (const auto& [index, bytes] : missing) {
    auto claim = managed(attempt.device).ledger.reserve(bytes);
    if (!claim) return Room::kMade;  // a cache claimed it meanwhile: ask again
    claims.push_back(std::move(*claim));
  }
  residency_.join(attempt, missing, std::move(claims));
  return Room::kFits;
}

std::optional<std::size_t> Manager::next_to_read(const LoadAttempt& attempt) {
  MutexLock lock(mutex_);
  for (;;) {
    if (attempt.cancelled) cancellation(attempt).raise();
    bool is_complete = true;
    for (const auto& component : attempt.components) {
      if (component->failure) component->failure->raise();
      is_complete = is_complete && component->state == Component::State::kResident;
    }
    if (is_complete) return std::nullopt;
    for (std::size_t i = 0; i < attempt.components.size(); ++i) {
      if (attempt.components[i]->state != Component::State::kReserved) continue;
      attempt.components[i]->state = Component::State::kReading;
      return i;
    }
    changed_.wait(mutex_);
  }
}

std::optional<Reservation> Manager::admit_image(const ComponentKey& key, std::uint64_t bytes) {
  Duties after(*this);
  std::optional<Reservation> claim;
  {
    MutexLock lock(mutex_);
    claim = tier_.make_room(key, bytes, residency_.history(), policy_, after.images);
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
  return claim;
}

// A device may lack memory that was reserved: it lies in pieces, or another program took it just now. Then
// what is idle goes, and it is tried once more.
std::shared_ptr<LoadedComponent> Manager::load_with_room(const LoadAttempt& attempt, std::size_t index,
                                                         const LoadControl& control) {
  Managed& here = managed(attempt.device);
  try {
    return here.host->load(*attempt.model, index, attempt.device, control);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kResourceExhausted) throw;
    const std::string name = label(attempt.keys[index]);
    base::log(base::LogLevel::kWarning, "core",
              fmt::format("{}: {}; freeing what is idle", name, error.what()));
    here.host->drop_caches();
    const auto freed =
        relieve(attempt.device, UINT64_MAX, fmt::format("the device had no room for {}", name));
    if (freed == 0) throw;
  }
  return here.host->load(*attempt.model, index, attempt.device, control);
}

// Whatever happens: a component that is being read is settled.
void Manager::read(const LoadAttempt& attempt, std::size_t index) {
  const std::shared_ptr<Component>& component = attempt.components[index];
  std::optional<Reservation> image_claim;
  bool from_image = false;
  const auto started = clock_.now();
  std::shared_ptr<LoadedComponent> loaded;
  std::uint64_t bytes = 0;
  std::optional<Failure> failure;
  try {
    const std::string name = label(component->key);
    LoadControl control;
    control.progress = [&](std::uint64_t done, std::uint64_t total) {
      publish_progress(attempt, name, done, total);
    };
    control.cancelled = component->cancelled;
    control.admit_image = [&](std::uint64_t image_bytes) {
      image_claim.reset();  // of a try that failed
      image_claim = admit_image(component->key, image_bytes);
      return image_claim.has_value();
    };
    {
      MutexLock lock(mutex_);
      control.image = tier_.find(component->key);
    }
    from_image = control.image != nullptr;
    loaded = load_with_room(attempt, index, control);
    if (!loaded) throw Error(ErrorCode::kInternal, name + ": the model loaded nothing and said nothing");
    bytes = loaded->bytes();
    if (bytes > component->bytes) {
      base::log(base::LogLevel::kWarning, "core",
                fmt::format("{} occupies {}, more than the {} reserved for it", name,
                            base::format_bytes(bytes), base::format_bytes(component->bytes)));
    }
  } catch (...) {
    failure = current_failure();
    loaded.reset();
  }
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    if (loaded) {
      note_arrival(attempt, *component, *loaded, from_image, started, std::move(image_claim), after);
    }
    residency_.settle(component, std::move(loaded), bytes, std::move(failure), after);
    changed_.notify_all();
  }
}

void Manager::note_arrival(const LoadAttempt& attempt, const Component& component, LoadedComponent& loaded,
                           bool from_image, base::Clock::TimePoint started,
                           std::optional<Reservation> image_claim, Aftermath& after) {
  const auto now = clock_.now();
  const std::chrono::duration<double> took = now - started;
  try {
    residency_.history().loaded(component.key, component.bytes, from_image, took.count(), now);
    if (image_claim) {
      if (auto image = loaded.take_image()) {
        tier_.keep(component.key, std::move(image), std::move(*image_claim), after.images);
      }
    }
  } catch (const std::bad_alloc&) {  // then nothing was learnt, or no image is kept
  }
  if (!from_image) return;
  residency_.note(after, [&] {
    return Event{.type = EventType::kPromoted,
                 .model_id = attempt.model_id,
                 .device = attempt.device,
                 .component = label(component.key),
                 .bytes = component.bytes,
                 .seconds = took.count()};
  });
}

void Manager::publish_progress(const LoadAttempt& attempt, const std::string& component, std::uint64_t done,
                               std::uint64_t total) {
  if (events_ == nullptr) return;
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    residency_.note(after, [&] {
      return Event{.type = EventType::kLoadProgress,
                   .model_id = attempt.model_id,
                   .device = attempt.device,
                   .component = component,
                   .bytes = done,
                   .total_bytes = total};
    });
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
}

void Manager::finish(LoadAttempt& attempt, std::optional<Failure> failure) {
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    try {
      if (!failure && attempt.cancelled) failure = cancellation(attempt);
      residency_.finish(attempt, std::move(failure), after);
    } catch (...) {
      residency_.finish(attempt, current_failure(), after);
    }
    changed_.notify_all();
  }
}

void Manager::record_failure(const std::string& id, const Model& model, base::DeviceId device,
                             const Failure& failure) {
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    auto& record = residency_.record(id);
    if (!record.current && !record.attempt) {
      record.type = model.type();
      record.device = device;
    }
    record.error = failure.message;
    record.error_code = failure.code;
    residency_.note(after, [&] {
      return Event{
          .type = EventType::kLoadFailed, .model_id = id, .device = device, .message = failure.message};
    });
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
}

void Manager::cancel_load(const std::string& id) {
  Duties after(*this);
  {
    MutexLock lock(mutex_);
    auto* record = residency_.find(id);
    if (record == nullptr || !record->attempt) return;
    residency_.cancel(*record->attempt, after);
    changed_.notify_all();
  }
  deliver(std::move(static_cast<Aftermath&>(after)));
}

}  // namespace greenroom::core
