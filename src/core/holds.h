// Holds of clients: who keeps which models loaded, until when, and what ends it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "core/manager.h"
#include "core/model_hold.h"

namespace greenroom::core {

struct HoldRequest {
  std::string owner;  // who it is for, as shown: "singer-app"
  int pid = 0;        // of the owner, when it is a process of this machine: its end ends the hold
  std::vector<GroupMember> members;
  std::optional<std::chrono::nanoseconds> lifetime;  // from now and from each heartbeat; absent: for ever
};

struct HoldInfo {
  std::uint64_t id = 0;
  std::string owner;
  int pid = 0;
  std::vector<std::string> models;  // those it still keeps: a forced unload takes one out
  double age_seconds = 0;
  std::optional<double> remaining_seconds;  // absent: for ever
};

// Thread-safe. Has no thread of its own: somebody calls sweep() now and then.
class Holds {
 public:
  // When a process started, or nullopt when it is gone: base::process_start.
  using ProcessProbe = std::function<std::optional<std::uint64_t>(int pid)>;

  // Borrows the manager and the clock; both outlive it.
  Holds(Manager& manager, const base::Clock& clock, ProcessProbe probe);

  // Keeps all members loaded, loading what is missing, or none. Returns the hold's id, which is never used
  // again. Throws base::Error: kInvalidArgument (no member, no owner, a lifetime that is not positive, a
  // process that is not there), and as Manager::load_group.
  std::uint64_t take(const HoldRequest& request) EXCLUDES_LOCK(mutex_);

  // Starts the lifetime again. Throws base::Error(kNotFound) when there is no such hold (any more).
  void heartbeat(std::uint64_t id) EXCLUDES_LOCK(mutex_);

  // Throws base::Error(kNotFound).
  void release(std::uint64_t id) EXCLUDES_LOCK(mutex_);

  std::vector<HoldInfo> list() const EXCLUDES_LOCK(mutex_);  // by id

  // Ends the holds whose time is up or whose owner is gone. Returns how many.
  std::size_t sweep() EXCLUDES_LOCK(mutex_);

 private:
  struct Hold {
    std::string owner;
    int pid = 0;
    std::uint64_t process_start = 0;  // with pid: which process that was
    base::Clock::TimePoint since;
    std::optional<std::chrono::nanoseconds> lifetime;
    base::Clock::TimePoint expires;  // only with a lifetime
    std::vector<ModelHold> models;

    bool is_over(base::Clock::TimePoint now) const { return lifetime && now >= expires; }
  };

  // Takes it out of the table. Throws base::Error(kNotFound).
  Hold take_out(std::uint64_t id) EXCLUDES_LOCK(mutex_);
  void publish_end(const Hold& hold, const std::string& cause);

  Manager& manager_;
  const base::Clock& clock_;
  const ProcessProbe probe_;
  mutable base::Mutex mutex_;
  std::uint64_t last_id_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Hold> holds_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::core
