// The manager's tables: which components and models there are, who keeps them, and the legal moves between
// states. Internal to core; no lock, no waiting, no I/O: the Manager guards it with its lock and does the
// rest.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "core/chain.h"
#include "core/component.h"
#include "core/event.h"
#include "core/history.h"
#include "core/ledger.h"
#include "core/model.h"
#include "core/snapshot.h"

namespace greenroom::core {

// An error as a value, to give the same one to everybody who waited.
struct Failure {
  base::ErrorCode code = base::ErrorCode::kInternal;
  std::string message;

  [[noreturn]] void raise() const { throw base::Error(code, message); }
};

// Short enough to need no memory of its own.
inline constexpr std::string_view kNoMemory = "out of memory";

// Model ids, each with how often it counts.
using Names = std::map<std::string, int>;

// What a user wants of a model beyond its being loaded. Kept by id, loaded or not.
struct ModelSettings {
  // How long it may be idle before a sweep frees it. Absent: what the sweep says. Zero: not at all. kForever:
  // no sweep frees it.
  std::optional<std::chrono::nanoseconds> keep_alive;
  bool pin = false;  // while loaded, nothing of it is evicted, swept or trimmed; an unload still frees it

  static constexpr std::chrono::nanoseconds kForever = std::chrono::nanoseconds::max();
};

// Legal moves: kReserved -> kReading -> kResident -> kGone, and kGone from anywhere (failed, cancelled,
// nobody wants it). Only kReserved, kReading and kResident ones are in the table by key.
struct Component {
  enum class State { kReserved, kReading, kResident, kGone };

  explicit Component(ComponentKey key_in, Reservation claim_in)
      : key(std::move(key_in)), bytes(claim_in.bytes()), claim(std::move(claim_in)) {}

  bool idle() const {
    return state == State::kResident && wanted_by.empty() && leases == 0 && holders.empty();
  }
  bool evictable() const { return idle() && pins == 0; }

  const ComponentKey key;
  State state = State::kReserved;
  std::uint64_t bytes;  // reserved, then real
  Names wanted_by;      // models whose load under way needs it
  Names holders;        // models that keep it: held, or with a running lease
  int members = 0;      // loaded models, held or idle, that consist of it
  int pins = 0;         // loaded models among `members` that a user pinned
  bool kept = false;    // was left idle on purpose (UnloadMode::kKeep)
  base::Clock::TimePoint resident_since;
  bool lost_while_leased = false;
  // These three change with every lease.
  int leases = 0;  // of running inferences
  base::Clock::TimePoint last_used;
  std::shared_ptr<UseCount> uses;  // outlives it in the History
  std::optional<Failure> failure;  // of a kGone one that somebody waited for
  const std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);

  // Belong to whoever moved it to kGone from then on; read without the lock by those who pin it.
  Reservation claim;
  std::shared_ptr<LoadedComponent> loaded;
  std::shared_ptr<Component> next;  // of those that are freed together
};

// What a lease of each stage pins: indexes into Model::components(), sorted, each once. Immutable.
struct StagePins {
  explicit StagePins(const Model& model);

  std::vector<std::vector<std::size_t>> stages;
  std::vector<std::size_t> all;
};

// One loaded form of a model. `model`, `device`, `components` and `pins` do not change and may be read
// without the lock.
struct Composition {
  std::string model_id;
  std::shared_ptr<const Model> model;
  base::DeviceId device;
  std::vector<std::shared_ptr<Component>>
      components;  // by index into Model::components(); one may occur twice
  std::shared_ptr<const StagePins> pins;

  // The same for all forms that follow one another without a time in which the model was not loaded.
  std::uint64_t lineage = 0;

  int holds = 0;
  int owned = 0;  // of these, those that are ModelHolds
  int leases = 0;
  bool holding = false;              // is among the holders of its components
  bool pinned = false;               // is counted in its components' pins
  base::Clock::TimePoint last_used;  // when the last lease or hold ended; idle time counts from here
  std::string unload_cause;          // why it was retired
  bool lost = false;                 // its weights are: it is the current form until it is loaded again
  int failed_returns = 0;            // of a lost one, and when the next may be tried
  base::Clock::TimePoint next_return;
  bool retired = false;  // no longer the current form: its components go when `leases` reaches zero
  std::shared_ptr<Composition> self;  // of a retired one: its last leases keep it
  std::shared_ptr<Composition> next;  // of those that ended together
};

// One load of a model under way, shared by all who asked for the same. The first fields do not change.
struct LoadAttempt {
  std::string model_id;
  std::shared_ptr<const Model> model;
  base::DeviceId device;
  std::vector<ComponentKey> keys;
  std::shared_ptr<const StagePins> pins;
  base::Clock::TimePoint started;
  std::function<void()> admitted;  // to be told when memory is reserved; may be empty

  std::vector<std::shared_ptr<Component>> components;  // empty until admitted, then constant
  int holds = 0;                                       // of callers that want one; others only want it loaded
  int owned = 0;                                       // of these, those that are ModelHolds
  std::uint64_t lineage = 0;                           // of the composition it led to
  int joiners = 0;                                     // callers beside the first
  bool interested = false;                             // is counted in its components' wanted_by
  bool cancelled = false;
  bool done = false;
  std::optional<Failure> failure;    // constant once done
  std::vector<std::string> evicted;  // labels of what went for it
};

// Of the components, each once.
std::uint64_t total_bytes(const std::vector<std::shared_ptr<Component>>& components);

// What is left to do once the lock is given back: memory to free, then events to publish.
struct Aftermath {
  Chain<Component> doomed;
  Chain<Composition> retired;  // their last reference may be here: destroyed outside the lock
  std::vector<std::shared_ptr<HostImage>> images;  // dropped from the host tier; the same
  std::vector<Event> events;
};

// Not thread-safe; guarded by the Manager's lock.
class Residency {
 public:
  explicit Residency(const base::Clock& clock) : clock_(clock) {}

  struct ModelRecord {
    std::string type;
    base::DeviceId device;
    std::shared_ptr<Composition> current;  // null when nothing is loaded
    std::shared_ptr<LoadAttempt> attempt;  // null when no load is under way
    int draining = 0;                      // retired compositions that are still leased
    std::string error;                     // of the last load, or of what was lost
    base::ErrorCode error_code = base::ErrorCode::kInternal;

    bool empty() const { return !current && !attempt && draining == 0 && error.empty(); }
    ModelStatus status() const;
    // What can be leased: loaded, and not lost since.
    bool is_ready() const { return current && !current->lost; }
  };

  // A component that a load needs and nobody has: its first index in the model.
  struct Missing {
    std::size_t index = 0;
    std::uint64_t bytes = 0;
  };

  ModelRecord& record(const std::string& id) { return models_[id]; }
  ModelRecord* find(const std::string& id);
  const ModelRecord* find(const std::string& id) const;
  void forget_if_empty(const std::string& id);

  // Whatever throws here, for want of memory, leaves the tables as they were, but for the failure of a load
  // in finish(), cancel() and settle(), which do not throw; nor does what ends a use or frees.
  //
  // A load's way. `missing` says what admission has to reserve, each component once; `join` takes the claims
  // (one per missing one, in that order) and registers the load with all its components; `finish` ends the
  // load, for better (no failure: its model becomes current) or worse.
  std::vector<Missing> missing(const LoadAttempt& attempt) const;
  void join(LoadAttempt& attempt, const std::vector<Missing>& missing, std::vector<Reservation> claims);
  // With no hold in the end the model is left idle, its time counting from now.
  void finish(LoadAttempt& attempt, std::optional<Failure> failure, Aftermath& after);
  void cancel(LoadAttempt& attempt, Aftermath& after);

  // The read of a kReading component ended: exactly one of `loaded` and `failure` is given.
  void settle(const std::shared_ptr<Component>& component, std::shared_ptr<LoadedComponent> loaded,
              std::uint64_t loaded_bytes, std::optional<Failure> failure, Aftermath& after);

  // What the user wants of `id`; takes effect at once on what is loaded.
  void configure(const std::string& id, const ModelSettings& settings, Aftermath& after);
  ModelSettings settings(const std::string& id) const;

  void touch(const std::string& id);
  void add_hold(Composition& composition);
  // REQUIRES: the model has a current composition. With the last hold it is left idle (`keep`) or retired.
  void take_hold(ModelRecord& record, bool keep, Aftermath& after);
  // The model has no current composition from now on; what it consisted of goes when its leases have
  // returned. `cause`: empty when somebody asked for it.
  void retire_current(ModelRecord& record, std::string_view cause, Aftermath& after);
  // Frees what has been idle for its keep-alive time (`idle_timeout` where the model has none of its own).
  // Returns the bytes.
  std::uint64_t sweep(std::chrono::nanoseconds idle_timeout, Aftermath& after);

  // `pinned`: indexes into the composition's components.
  void pin(Composition& composition, const std::vector<std::size_t>& pinned);
  // True when that was the last use of a model that is not held, or of something lost: end_use() says what
  // follows.
  bool unpin(Composition& composition, const std::vector<std::size_t>& pinned, base::Clock::TimePoint now);
  void end_use(Composition& composition, Aftermath& after);

  // Takes out of the tables what of the device was lost (LoadedComponent::is_lost), with its claims as far as
  // no lease is on it; loads that wait for it fail with `reason`. Models made of it stay, with their holds,
  // until they are loaded again. Returns the bytes.
  std::uint64_t lose(base::DeviceId device, const Failure& reason, Aftermath& after);
  // Models that wait for being loaded again, and whose next try is due.
  struct Lost {
    std::string id;
    std::shared_ptr<const Model> model;
    base::DeviceId device;
  };
  std::vector<Lost> lost() const;
  // It could not be loaded again: it goes when nobody holds or pinned it, else it is tried again later.
  void note_failed_return(const std::string& id, Aftermath& after);

  // What is resident on the device.
  std::vector<std::shared_ptr<Component>> residents(base::DeviceId device) const;
  bool is_known(const ComponentKey& key) const { return components_.count(key) != 0; }
  // Loaded models that consist of the component.
  std::vector<std::string> models_with(const Component& component) const;
  // REQUIRES: evictable. Idle models that consist of it are unloaded; their other components stay. `reason`:
  // what for, as in "for loading 'bob'".
  void evict(const std::shared_ptr<Component>& component, const std::string& reason, Aftermath& after);

  // Is memory of the device about to come back? `with_reads`: also when a cancelled read has to end first.
  bool is_departing(base::DeviceId device, bool with_reads) const;
  // The memory of these is free.
  void departed(const Chain<Component>& components);

  // Adds the event that `make` gives, with its model's type, numbered and stamped. One that there is no
  // memory for is lost: the books are more important.
  template <typename Make>
  void note(Aftermath& after, const Make& make) noexcept {
    try {
      add(after, make());
    } catch (const std::exception&) {
    }
  }
  std::uint64_t sequence() const { return sequence_; }

  ModelInfo info(const std::string& id, const ModelRecord& record) const;
  std::vector<ModelInfo> models() const;
  std::vector<ComponentInfo> components(base::DeviceId device) const;

  History& history() { return history_; }
  const History& history() const { return history_; }

  // Empties the tables. REQUIRES: no lease, no load under way.
  Aftermath clear();

 private:
  void add(Aftermath& after, Event event);
  void finish_failed(LoadAttempt& attempt, Failure failure, Aftermath& after);
  void drop_interest(LoadAttempt& attempt, Aftermath& after);
  void update_holding(Composition& composition);
  void set_pinned(Composition& composition, bool pinned);
  void leave_idle(Composition& composition);
  // Ends a model that is idle and not to be kept alive at all.
  void retire_if_unwanted(ModelRecord& record, Aftermath& after);
  std::string idle_cause(const std::string& reason, base::Clock::TimePoint since) const;
  void retire(ModelRecord& record, const std::shared_ptr<Composition>& composition, Aftermath& after);
  void finish_retired(const std::shared_ptr<Composition>& composition, Aftermath& after);
  // Frees the component when nobody holds, leases, wants or consists of it, and it is not kept.
  void let_go(const std::shared_ptr<Component>& component, Aftermath& after);
  void take_out(const std::shared_ptr<Component>& component, Aftermath& after);
  void lose_component(const std::shared_ptr<Component>& component, base::ErrorCode code,
                      std::string_view reason, Aftermath& after);

  const base::Clock& clock_;
  std::map<ComponentKey, std::shared_ptr<Component>> components_;
  std::vector<std::shared_ptr<Component>> departing_;  // out of components_, bytes not yet given back
  std::map<std::string, ModelRecord> models_;
  std::map<std::string, ModelSettings> settings_;  // only what differs from the default
  History history_;
  std::uint64_t sequence_ = 0;
  std::uint64_t lineages_ = 0;
};

}  // namespace greenroom::core
