// What has to be looked at now and then, done by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace greenroom::core {

// One duty: an idle sweep, the end of holds, the return of baseline models. May block; may throw
// base::Error, which is logged and ends this turn of this duty only.
struct Duty {
  std::string name;
  std::function<void()> act;
};

// Thread-safe.
class AutoManagement {
 public:
  // Borrows the clock, and whatever the duties borrow, until it is destroyed. Does nothing until start().
  AutoManagement(const base::Clock& clock, std::chrono::nanoseconds interval, std::vector<Duty> duties);
  ~AutoManagement();
  AutoManagement(const AutoManagement&) = delete;
  AutoManagement& operator=(const AutoManagement&) = delete;

  // One turn at once, then one per interval. Both: nothing happens when it is so already. stop() returns
  // when the turn under way has ended.
  void start() EXCLUDES_LOCK(mutex_);
  void stop() EXCLUDES_LOCK(mutex_);
  bool is_running() const EXCLUDES_LOCK(mutex_);

  // The next turn comes now, in the thread that is running.
  void wake() EXCLUDES_LOCK(mutex_);

  // One turn in the caller's thread.
  void run_once();

 private:
  void run(std::uint64_t period) EXCLUDES_LOCK(mutex_);

  const base::Clock& clock_;
  const std::chrono::nanoseconds interval_;
  const std::vector<Duty> duties_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::uint64_t period_ GUARDED_BY(mutex_) = 0;  // a thread whose period it is not any more ends
  bool woken_ GUARDED_BY(mutex_) = false;
  std::thread thread_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::core
