// The models that are there when nothing else is going on: they give way in a burst and come back after it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "core/manager.h"
#include "core/model_hold.h"

namespace greenroom::core {

struct BaselineModel {
  std::string id;
  int priority = 0;                      // the highest come back first
  std::function<GroupMember()> resolve;  // what to load; called without a lock, may throw base::Error
};

struct BaselineOptions {
  std::chrono::nanoseconds quiet = std::chrono::seconds(10);        // without a request: then a burst is over
  std::chrono::nanoseconds first_retry = std::chrono::seconds(30);  // after a failed load; doubles each time
  std::chrono::nanoseconds longest_retry = std::chrono::minutes(10);
};

// Thread-safe. Has no thread of its own: somebody calls restore() now and then. A baseline model is left idle
// and may be evicted like any other; no idle sweep frees it (its keep-alive time becomes for ever, unless it
// has one of its own).
class Baseline {
 public:
  // How long nothing has been requested or run. Called without a lock.
  using QuietTime = std::function<std::chrono::nanoseconds()>;

  // Borrows the manager and the clock; both outlive it.
  Baseline(Manager& manager, const base::Clock& clock, QuietTime quiet_time,
           const BaselineOptions& options = {});

  // Adds it, or replaces the one of that id.
  void add(BaselineModel model) EXCLUDES_LOCK(mutex_);
  // False when there is none of that id. What is loaded stays.
  bool remove(const std::string& id) EXCLUDES_LOCK(mutex_);
  std::vector<std::string> list() const EXCLUDES_LOCK(mutex_);  // ids, in the order of their return

  // When it is quiet: loads what is missing and fits in place of what is idle, never in place of another
  // baseline model. Returns the ids of those that came back. A model that fails to load is tried again later.
  std::vector<std::string> restore() EXCLUDES_LOCK(mutex_);

 private:
  struct Entry {
    BaselineModel model;
    int failures = 0;
    base::Clock::TimePoint next_try;
  };

  bool bring_back(const BaselineModel& model, const std::vector<std::string>& others);
  void note_outcome(const std::string& id, bool failed) EXCLUDES_LOCK(mutex_);

  Manager& manager_;
  const base::Clock& clock_;
  const QuietTime quiet_time_;
  const BaselineOptions options_;
  mutable base::Mutex mutex_;
  std::map<std::string, Entry> models_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::core
