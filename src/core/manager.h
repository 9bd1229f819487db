// The model manager: loads, shares, leases, unloads and evicts.
//
// It decides under its one lock and acts outside it: no lock is held while weights are read or freed, or
// while events are published. Bytes are reserved in the device's ledger before anything is read.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/device_id.h"
#include "base/mutex.h"
#include "core/capacity.h"
#include "core/component.h"
#include "core/decision_log.h"
#include "core/event.h"
#include "core/history.h"
#include "core/host.h"
#include "core/host_tier.h"
#include "core/lease.h"
#include "core/ledger.h"
#include "core/model.h"
#include "core/model_hold.h"
#include "core/placement.h"
#include "core/plan.h"
#include "core/policy.h"
#include "core/profile.h"
#include "core/residency.h"
#include "core/run.h"
#include "core/snapshot.h"

namespace greenroom::core {

// A device and how much of it the manager may fill.
struct DeviceBudget {
  base::DeviceId device;
  std::uint64_t bytes = 0;           // the user's limit, or all there is
  double max_usage_share = 1;        // of the total that the host reads
  std::shared_ptr<DeviceHost> host;  // null: driven from this process, its memory not read
};

struct ManagerOptions {
  EvictionPolicy policy = EvictionPolicy::kCost;
  // Against thrashing: what became resident less than this ago is evicted only when nothing else does.
  std::chrono::nanoseconds min_residence = std::chrono::seconds(10);
  std::uint64_t host_tier_bytes = 0;  // for images of weights in host memory
  // How long a free waits for the device to say that the bytes are back.
  std::chrono::nanoseconds return_bound = std::chrono::seconds(2);
  std::size_t decisions_kept = 512;
};

enum class UnloadMode {
  kFree,   // takes one hold off; with the last one the model goes (after its running leases)
  kKeep,   // takes one hold off; with the last one the model stays as it is, idle: ready, but first to be
           // evicted
  kForce,  // takes all holds off and cancels a load under way; the model goes after its running leases
};

// Thread-safe. Loads run in the caller's thread; the manager has no thread of its own.
class Manager {
 public:
  // `events` may be null. Both it and `clock` are borrowed and outlive the manager.
  Manager(const std::vector<DeviceBudget>& devices, const base::Clock& clock, EventSink* events = nullptr,
          const ManagerOptions& options = {});
  // REQUIRES: no call in progress, no Lease and no Run left. Frees what is loaded.
  ~Manager();
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  // Puts one hold on `id`, loading the model first when it is not loaded. Returns when it is ready.
  //
  // Bytes for all missing components are reserved at once, evicting idle components when that makes them fit.
  // Concurrent loads of one model, or of one component by several models, read it once and all get the same
  // result. A model whose files changed on disk is read anew beside the old one, which goes when its leases
  // have returned; during a drain a load brings the model back. A load that fails leaves nothing behind but
  // its message (see model_info) and can be tried again; a model that was loaded stays so.
  //
  // A loaded component may outlive `model` when another model shares it.
  //
  // Throws base::Error: kResourceExhausted (what was needed, what is free, who holds the rest), kCancelled,
  // kInvalidArgument (no such device), kFailedPrecondition (`id` is loaded from other files or on another
  // device), and whatever the model's load_component throws.
  void load(const std::string& id, const std::shared_ptr<const Model>& model, base::DeviceId device)
      EXCLUDES_LOCK(mutex_);

  // As load, but puts no hold on the model: it is left idle, ready for its first use, and clean-up may free
  // it again. Publishes preload_requested first.
  void preload(const std::string& id, const std::shared_ptr<const Model>& model, base::DeviceId device)
      EXCLUDES_LOCK(mutex_);

  // As load, but puts no hold on the model, for a request that waits for it. `admitted` (may be empty) is
  // called, without a lock, once its memory is reserved and nothing more has to go for it; not when somebody
  // else loads it already.
  void load_on_demand(const GroupMember& member, const std::function<void()>& admitted) EXCLUDES_LOCK(mutex_);

  // Puts one hold on every member or on none. What they lack together is reserved in one decision per device,
  // shared components counted once, and they are loaded side by side. `purpose` names it in messages: "task
  // voice_conversion". Each hold belongs to the caller: it is taken off by its destructor and by a forced
  // unload, and by nothing else. When a member fails the others are left as they were found: what was not
  // loaded before goes again, unless somebody else asked for it meanwhile. Throws as load, for the first
  // member that failed; kInvalidArgument when an id occurs twice.
  std::vector<ModelHold> load_group(const std::string& purpose, const std::vector<GroupMember>& members)
      EXCLUDES_LOCK(mutex_);

  // Puts a hold on those of `ids` that are loaded, for a moment in which none of them shall be evicted; the
  // others are left out. Its end leaves a model that nobody else holds idle.
  std::vector<ModelHold> hold_loaded(const std::vector<std::string>& ids) EXCLUDES_LOCK(mutex_);

  // Would they fit together, were they loaded now? Changes and logs nothing. kFree: into what is free as
  // things are; kIdle: also in place of what is idle, except the components of the models `spared`. An
  // answer, not a promise: who acts on it gets the real answer from load.
  enum class Space { kFree, kIdle };
  bool fits(const std::vector<GroupMember>& members, Space space,
            const std::vector<std::string>& spared = {}) const EXCLUDES_LOCK(mutex_);

  // As load, and returns in which way it did something else than `plan` said; empty when it did not.
  std::string load_as_planned(const std::string& id, const std::shared_ptr<const Model>& model,
                              const Plan& plan) EXCLUDES_LOCK(mutex_);

  // What loading all of `items` together would do, with `workspace_bytes` beside them. Changes nothing, logs
  // nothing, publishes nothing. Throws base::Error as load does, but for kResourceExhausted: that is an
  // answer (`fits` is false).
  Plan plan(const std::vector<PlanItem>& items, base::DeviceId device, std::uint64_t workspace_bytes = 0)
      EXCLUDES_LOCK(mutex_);

  // Where to load them all, by core/placement.h: what is there, what is free with everything idle gone.
  // `utilisation`: in percent, of the devices that tell. Changes nothing.
  Placement place(const std::vector<PlanItem>& items, const PlacementRules& rules,
                  const std::map<base::DeviceId, int>& utilisation) EXCLUDES_LOCK(mutex_);

  // Ends the load of `id` under way, if there is one: its callers get kCancelled. A component that another
  // model's load waits for is still read to the end.
  void cancel_load(const std::string& id) EXCLUDES_LOCK(mutex_);

  // Never waits for running leases: they finish, and the last one to return frees the memory (status
  // kUnloading until then; no new lease is given). Components that other models hold or are kept with stay.
  // For a model in error, forgets the error. Throws base::Error: kNotFound (not loaded), kFailedPrecondition
  // (still loading: only kForce cancels that; or all holds left have owners, see load_group).
  void unload(const std::string& id, UnloadMode mode = UnloadMode::kFree) EXCLUDES_LOCK(mutex_);

  // Pins a stage of a loaded model (or kAllStages) and reserves `workspace_bytes` beside it, evicting idle
  // components when that makes them fit. Never waits for a load. Throws base::Error: kNotFound (never
  // loaded), kFailedPrecondition (loading, unloading or failed), kInvalidArgument (no such stage),
  // kResourceExhausted.
  Lease lease(const std::string& id, std::size_t stage, std::uint64_t workspace_bytes = 0)
      EXCLUDES_LOCK(mutex_);

  // For one inference that pins its stages one after the other. Throws as lease does.
  Run start_run(const std::string& id) EXCLUDES_LOCK(mutex_);

  // Pin and keep-alive time of a model, which may be loaded now, later, or never. Replaces what was set
  // before.
  void configure(const std::string& id, const ModelSettings& settings) EXCLUDES_LOCK(mutex_);
  ModelSettings settings(const std::string& id) const EXCLUDES_LOCK(mutex_);
  // Counts as a use of the model: for a request that waits for its turn.
  void touch(const std::string& id) EXCLUDES_LOCK(mutex_);

  // The three clean-ups. None touches what is held, leased, pinned or wanted by a load; each returns the
  // bytes given back.
  //
  // Frees every idle component of the device.
  std::uint64_t trim(base::DeviceId device) EXCLUDES_LOCK(mutex_);
  // Frees models without a hold that nobody used for their keep-alive time (`idle_timeout` where a model has
  // none of its own), counted from the end of the last use.
  std::uint64_t sweep(std::chrono::nanoseconds idle_timeout) EXCLUDES_LOCK(mutex_);
  // Frees idle components at once, however short they have been idle and the least valuable first, until
  // `bytes` are free again or nothing idle is left. `reason` goes into the events ("cpu is 91 % full").
  std::uint64_t relieve(base::DeviceId device, std::uint64_t bytes, const std::string& reason)
      EXCLUDES_LOCK(mutex_);

  // How many demands on the device were refused so far. Tells an error of the device, which idle components
  // may mend, from a refusal, for which they were counted already.
  std::uint64_t refusals(base::DeviceId device) const { return managed(device).refusals.load(); }

  // Memory that somebody else caches on a device: claimed here so that it counts, and dropped before any
  // model has to go. claim_cache never evicts; nullopt: there is no room. `drop` is called with no lock held,
  // gives up at least that many bytes if it can (releasing its claims) and returns how many.
  std::optional<Reservation> claim_cache(base::DeviceId device, std::uint64_t bytes);
  using DropCache = std::function<std::uint64_t(std::uint64_t bytes)>;
  void add_cache(base::DeviceId device, DropCache drop) EXCLUDES_LOCK(mutex_);

  // The process that held the weights of the device has ended: what was lost with it
  // (LoadedComponent::is_lost) leaves the books at once, and what is leased of it with its last lease. Models
  // made of it keep their holds and are in error, with `reason`, until they are loaded again.
  void forget_lost(base::DeviceId device, const std::string& reason) EXCLUDES_LOCK(mutex_);
  // Loads again what was lost, one model after the other. One that cannot be loaded goes when nobody holds
  // it; else it stays in error, and calls after a while (2 s, doubling to 5 minutes) try it again.
  void restore_lost() EXCLUDES_LOCK(mutex_);

  // Numbers, stamps and publishes an event of somebody else's in the manager's order.
  void publish(Event event) EXCLUDES_LOCK(mutex_);

  // Snapshots, sorted by id and by device. kUnloaded and nullopt for an id the manager does not know.
  std::vector<ModelInfo> list() const EXCLUDES_LOCK(mutex_);
  ModelStatus model_status(const std::string& id) const EXCLUDES_LOCK(mutex_);
  std::optional<ModelInfo> model_info(const std::string& id) const EXCLUDES_LOCK(mutex_);
  std::vector<DeviceMemory> memory() const EXCLUDES_LOCK(mutex_);
  HostMemory host_memory() const EXCLUDES_LOCK(mutex_);
  // How much of the device may be filled right now, and what binds.
  Capacity capacity(base::DeviceId device) const;

  // The latest decisions about room, the latest first. `about`: part of a component's, a model's or a
  // purpose's name.
  std::vector<DecisionRecord> decisions(const std::string& about = "", std::size_t most = 100) const
      EXCLUDES_LOCK(mutex_);

  // Instead of that of the options, for decisions from now on.
  void set_policy(EvictionPolicy policy) { policy_ = policy; }

  // What was learnt of loads and uses, to be kept across restarts.
  std::vector<LearntLoad> learnt() const EXCLUDES_LOCK(mutex_);
  void learn(const std::vector<LearntLoad>& loads) EXCLUDES_LOCK(mutex_);
  // How much workspace runs of each kind needed. Thread-safe.
  WorkspaceProfile& workspace_profile() { return workspace_profile_; }

 private:
  friend class Lease;      // release
  friend class Run;        // lease_of
  friend class ModelHold;  // has_hold, take_hold
  class GroupClaim;

  struct Managed {
    explicit Managed(const DeviceBudget& budget);

    Ledger ledger;
    const CapacityLimits limits;
    const std::shared_ptr<DeviceHost> host;
    std::atomic<std::uint64_t> refusals{0};
  };

  // What is left to do, delivered in the end also when something was thrown in between: declared before the
  // lock is taken.
  struct Duties : Aftermath {
    explicit Duties(Manager& manager_in) : manager(manager_in) {}
    ~Duties() { manager.deliver(std::move(*this)); }
    Duties(const Duties&) = delete;
    Duties& operator=(const Duties&) = delete;

    Manager& manager;
  };

  // A wish for bytes on a device, and what to say when it cannot be granted.
  struct Demand {
    std::string purpose;
    base::DeviceId device;
    std::uint64_t bytes = 0;
    std::vector<std::pair<std::string, std::uint64_t>> parts;
    std::span<const ComponentKey> wanted;         // not to be evicted for this
    bool is_load = false;                         // waits for cancelled reads too, and is logged when granted
    bool ask_caches = true;                       // caches may have something to give yet
    std::vector<std::string>* evicted = nullptr;  // collects labels
  };
  // What the policy says to a demand, and what it knew.
  struct Weighing {
    Decision decision;
    LedgerTotals totals;  // the capacity lowered to what is there
    std::vector<std::shared_ptr<Component>> residents;
    std::vector<Resident> candidates;  // the same
  };
  enum class Room {
    kFits,
    kMade,         // once the aftermath is delivered; then ask again
    kCachesFirst,  // drop caches, then ask again
    kPending,      // memory is about to come back: wait for changed_, then ask again
  };
  Weighing weigh(const Demand& demand, const Capacity& capacity) const REQUIRES_LOCK(mutex_);
  // Throws base::Error(kResourceExhausted).
  Room find_room(const Demand& demand, const Capacity& capacity, Aftermath& after) REQUIRES_LOCK(mutex_);
  void evict(const std::shared_ptr<Component>& component, const std::string& reason, Aftermath& after)
      REQUIRES_LOCK(mutex_);
  void record_decision(const Demand& demand, const Weighing& weighing, const std::string& bound_by,
                       std::vector<std::string> unloaded) REQUIRES_LOCK(mutex_);
  std::vector<Resident> weigh_residents(const std::vector<std::shared_ptr<Component>>& residents,
                                        std::span<const ComponentKey> wanted) const REQUIRES_LOCK(mutex_);
  Plan plan_under_lock(const std::string& purpose, base::DeviceId device,
                       const std::vector<std::pair<ComponentKey, std::uint64_t>>& parts,
                       std::uint64_t workspace_bytes, const Capacity& there) const REQUIRES_LOCK(mutex_);
  // Returns whether they gave anything.
  bool drop_caches(base::DeviceId device, std::uint64_t bytes) EXCLUDES_LOCK(mutex_);

  Managed& managed(base::DeviceId device);
  const Managed& managed(base::DeviceId device) const;

  std::shared_ptr<LoadAttempt> attempt_for(const GroupMember& member);  // a failure is noted with the model
  ModelHold load_held(const GroupMember& member);
  bool has_hold(const std::string& id, std::uint64_t lineage) const;
  void take_hold(const std::string& id, std::uint64_t lineage, bool keep);

  // The steps of load(), in this order.
  // Returns what went for it.
  std::vector<std::string> load_with(const std::string& id, const std::shared_ptr<const Model>& model,
                                     base::DeviceId device, int holds);
  std::shared_ptr<LoadAttempt> make_attempt(const std::string& id, const std::shared_ptr<const Model>& model,
                                            base::DeviceId device);
  bool enter(const std::shared_ptr<LoadAttempt>& attempt);  // false: loaded, by somebody else
  bool try_enter(const std::shared_ptr<LoadAttempt>& attempt, Aftermath& after) REQUIRES_LOCK(mutex_);
  void begin(const std::shared_ptr<LoadAttempt>& attempt, Aftermath& after) REQUIRES_LOCK(mutex_);
  void carry_out(LoadAttempt& attempt);  // all from here on
  void admit(LoadAttempt& attempt);
  Room try_admit(LoadAttempt& attempt, const Capacity& capacity, bool ask_caches, Aftermath& after)
      REQUIRES_LOCK(mutex_);
  Demand demand_of(const LoadAttempt& attempt, const std::vector<Residency::Missing>& missing) const;
  std::optional<std::size_t> next_to_read(const LoadAttempt& attempt);
  void read(const LoadAttempt& attempt, std::size_t index);
  std::shared_ptr<LoadedComponent> load_with_room(const LoadAttempt& attempt, std::size_t index,
                                                  const LoadControl& control) EXCLUDES_LOCK(mutex_);
  void note_arrival(const LoadAttempt& attempt, const Component& component, LoadedComponent& loaded,
                    bool from_image, base::Clock::TimePoint started, std::optional<Reservation> image_claim,
                    Aftermath& after) REQUIRES_LOCK(mutex_);
  std::optional<Reservation> admit_image(const ComponentKey& key, std::uint64_t bytes) EXCLUDES_LOCK(mutex_);
  void publish_progress(const LoadAttempt& attempt, const std::string& component, std::uint64_t done,
                        std::uint64_t total);
  void finish(LoadAttempt& attempt, std::optional<Failure> failure);
  void record_failure(const std::string& id, const Model& model, base::DeviceId device,
                      const Failure& failure);

  Composition& leasable(const std::string& id) REQUIRES_LOCK(mutex_);
  Lease pin(Composition& composition, const std::vector<std::size_t>& pinned) REQUIRES_LOCK(mutex_);
  Lease pin_stage(const std::string& id, std::size_t stage) EXCLUDES_LOCK(mutex_);
  Lease lease_of(const Lease& whole, std::size_t stage, std::uint64_t workspace_bytes);
  Reservation reserve_workspace(const Composition& composition, std::uint64_t bytes);
  void release(Composition& composition, const std::vector<std::size_t>& pinned);

  // Frees, then publishes. What a listener throws is logged.
  void deliver(Aftermath after) noexcept EXCLUDES_LOCK(mutex_);
  void free_departed(base::DeviceId device, const Chain<Component>& doomed, Aftermath& after)
      EXCLUDES_LOCK(mutex_);
  // Waits, within the bound, until the device has the bytes back. Returns how many it has not.
  std::uint64_t await_return(const Managed& device, const ReturnBaseline& baseline, std::uint64_t freed) const
      EXCLUDES_LOCK(mutex_);

  const base::Clock& clock_;
  EventSink* events_;
  const ManagerOptions options_;
  std::atomic<EvictionPolicy> policy_;
  WorkspaceProfile workspace_profile_;
  // Fixed at construction. Ledgers have locks of their own, which are taken last.
  std::map<base::DeviceId, Managed> devices_;
  Ledger host_ledger_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;  // a component, a load or departing memory moved on
  Residency residency_ GUARDED_BY(mutex_);
  HostTier tier_ GUARDED_BY(mutex_);
  DecisionLog decisions_ GUARDED_BY(mutex_);
  std::vector<std::pair<base::DeviceId, DropCache>> caches_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::core
