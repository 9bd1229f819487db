// Carries out what recovery.h decides: runs an operation until it succeeds or nothing is left to try.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "core/event.h"
#include "core/recovery.h"

namespace greenroom::core {

// A user's own way to deal with errors of one type. `action` is called after `delay`, at most `max_attempts`
// times per operation; when it says true the operation goes on as `strategy` says (kAbort: it ends), else the
// next action, and at last the built-in rules, have their turn.
struct RecoveryAction {
  RecoveryStrategy strategy = RecoveryStrategy::kRetry;
  std::function<bool(const ErrorContext&)> action;
  std::string description;
  int max_attempts = 1;
  std::chrono::nanoseconds delay{0};
};

// Something that may fail and be tried again.
struct RecoverableOperation {
  struct Attempt {
    int number = 1;
    base::DeviceId device;
    int degradation = 0;  // how often it was degraded
  };

  std::string name;  // "load", "convert"
  std::string model_id;
  base::DeviceId device;                    // of the first attempt
  std::vector<base::DeviceId> fallbacks;    // the preferred first, the CPU last; without `device`
  std::function<void(const Attempt&)> run;  // throws base::Error; leaves nothing behind when it does
  // Both may be empty: it cannot. `restart` brings the model back afresh; what it throws ends the attempt.
  std::function<bool(int degradation)> can_degrade;  // to this number?
  std::function<void(const Attempt&)> restart;
  // After an attempt that ran out of memory: was memory freed for another one? Asked once per device. May be
  // empty.
  std::function<bool(const Attempt&)> relieved;
  std::function<bool(const base::Error&)> is_final;  // nothing is tried after it
  // Told of a step before it is taken, and of the error that it is for.
  std::function<void(const std::string& description, const std::string& cause)> on_step;
  std::shared_ptr<const std::atomic<bool>> cancelled;  // may be null
  std::optional<base::Clock::TimePoint> deadline;      // no attempt begins after it
  bool cools_down = false;  // repeated failures keep it from being tried for a while
  std::string fingerprint;  // of what it works on: a change ends the cool-down
};

// Thread-safe. Actions and operations are called without a lock.
class RecoveryExecutor {
 public:
  static constexpr std::size_t kRemembered = 200;

  // `publish` may be empty; `chance` gives numbers from [0, 1). Borrows the clock.
  RecoveryExecutor(const base::Clock& clock, std::function<void(Event)> publish,
                   std::function<double()> chance, const RecoveryOptions& options = {});

  // Runs before the built-in rules, in the order of registration. Throws base::Error(kInvalidArgument) for
  // one without an action. Returns a number that takes it off again.
  int register_recovery_action(base::ErrorCode code, RecoveryAction action) EXCLUDES_LOCK(mutex_);
  // False when there is none of that number. An operation that has met its error already may call it once
  // more.
  bool unregister_recovery_action(int number) EXCLUDES_LOCK(mutex_);

  // Returns once an attempt succeeded. Publishes a recovery event for each attempt after the first. Throws
  // the last error, its message saying what was tried; kUnavailable with retry_after during a cool-down;
  // kCancelled.
  void execute(const RecoverableOperation& operation) EXCLUDES_LOCK(mutex_);

  // Ends the cool-down of a model: somebody mended it.
  void forget(const std::string& model_id) EXCLUDES_LOCK(mutex_);

  // The errors of the last attempts, the oldest first; at most kRemembered.
  std::vector<ErrorContext> recent() const EXCLUDES_LOCK(mutex_);

 private:
  class Execution;
  struct Cooling {
    int failures = 0;
    base::Clock::TimePoint until;
    std::string model_id;
    std::string message;
    std::string fingerprint;
  };

  void check_cool_down(const RecoverableOperation& operation) EXCLUDES_LOCK(mutex_);
  void note_success(const RecoverableOperation& operation) EXCLUDES_LOCK(mutex_);
  void note_failure(const RecoverableOperation& operation, const base::Error& error) EXCLUDES_LOCK(mutex_);
  void remember(const ErrorContext& context) EXCLUDES_LOCK(mutex_);
  using NumberedActions = std::vector<std::pair<int, RecoveryAction>>;
  NumberedActions actions_for(base::ErrorCode code) const EXCLUDES_LOCK(mutex_);

  const base::Clock& clock_;
  const std::function<void(Event)> publish_;
  const std::function<double()> chance_;
  const RecoveryOptions options_;
  mutable base::Mutex mutex_;
  std::map<base::ErrorCode, NumberedActions> actions_ GUARDED_BY(mutex_);
  int last_action_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, Cooling> cooling_ GUARDED_BY(mutex_);  // by operation and model
  std::deque<ErrorContext> recent_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::core
