#include "core/recovery_executor.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <exception>
#include <new>
#include <set>
#include <utility>

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;
using std::chrono::nanoseconds;

// How soon a wait sees that the operation was cancelled.
constexpr std::chrono::milliseconds kCancelCheck{50};
constexpr std::size_t kMostCooling = 1000;

std::string cooling_key(const RecoverableOperation& operation) {
  return operation.name + " " + operation.model_id;
}

// What is refused before any work is done costs nothing to ask again.
bool is_costly(ErrorCode code) {
  return code == ErrorCode::kDataLoss || code == ErrorCode::kInternal || code == ErrorCode::kUnavailable;
}

}  // namespace

// One operation on its way through its attempts. Not thread-safe; lives for one call of execute().
class RecoveryExecutor::Execution {
 public:
  Execution(RecoveryExecutor& owner, const RecoverableOperation& operation)
      : owner_(owner), operation_(operation), fallbacks_(operation.fallbacks) {
    attempt_.device = operation.device;
  }

  void run() {
    for (;; ++attempt_.number) {
      check_cancelled();
      auto error = try_once();
      if (!step_.empty()) publish(error);
      if (!error) return;
      const ErrorContext context = describe(*error);
      owner_.remember(context);
      const bool is_final = operation_.is_final && operation_.is_final(*error);
      cause_ = error->what();
      if (is_final || error->code() == ErrorCode::kCancelled || !prepare(context)) fail(*error);
    }
  }

 private:
  std::optional<Error> try_once() {
    try {
      if (std::exchange(restarts_now_, false)) operation_.restart(attempt_);
      operation_.run(attempt_);
      return std::nullopt;
    } catch (const Error& error) {
      return error;
    } catch (const std::bad_alloc&) {
      return Error(ErrorCode::kResourceExhausted, operation_.name + ": out of host memory");
    } catch (const std::exception& error) {
      return Error(ErrorCode::kInternal, fmt::format("{}: {}", operation_.name, error.what()));
    }
  }

  ErrorContext describe(const Error& error) const {
    return {error.code(),       error.what(),    operation_.name,           operation_.model_id,
            attempt_.device,    attempt_.number, severity_of(error.code()), owner_.clock_.wall_now(),
            error.retry_after()};
  }

  RecoveryMeans means() const {
    return {fallbacks_, operation_.can_degrade && operation_.can_degrade(attempt_.degradation + 1),
            static_cast<bool>(operation_.restart)};
  }

  // Makes ready for the next attempt. False: there is none.
  bool prepare(const ErrorContext& context) {
    const auto actions = owner_.actions_for(context.code);
    for (const auto& [number, action] : actions) {
      if (used_[number]++ >= action.max_attempts) continue;
      if (!wait(action.delay)) return false;
      if (!action.action(context)) continue;
      return follow(step_of(action));
    }
    if (context.code == ErrorCode::kResourceExhausted && operation_.relieved &&
        relieved_.insert(attempt_.device).second && operation_.relieved(attempt_)) {
      return follow({RecoveryStrategy::kRetry, {}, std::nullopt, "after freeing what was idle"});
    }
    return follow(next_step(context, history_, means(), owner_.options_, owner_.chance_()));
  }

  RecoveryStep step_of(const RecoveryAction& action) const {
    RecoveryStep step{action.strategy, {}, std::nullopt, action.description};
    const RecoveryMeans possible = means();
    const bool is_possible = action.strategy == RecoveryStrategy::kFallback  ? !possible.fallbacks.empty()
                             : action.strategy == RecoveryStrategy::kDegrade ? possible.can_degrade
                             : action.strategy == RecoveryStrategy::kRestart ? possible.can_restart
                                                                             : true;
    if (!is_possible) step.strategy = RecoveryStrategy::kAbort;
    if (step.strategy == RecoveryStrategy::kFallback) step.device = possible.fallbacks.front();
    return step;
  }

  bool follow(const RecoveryStep& step) {
    step_ = step.description.empty() ? std::string(recovery_strategy_name(step.strategy)) : step.description;
    switch (step.strategy) {
      case RecoveryStrategy::kAbort:
        return false;
      case RecoveryStrategy::kRetry:
        ++history_.retries;
        break;
      case RecoveryStrategy::kFallback:
        attempt_.device = *step.device;
        attempt_.degradation = 0;
        std::erase(fallbacks_, *step.device);
        history_.retries = 0;
        break;
      case RecoveryStrategy::kDegrade:
        ++attempt_.degradation;
        ++history_.degradations;
        history_.retries = 0;
        break;
      case RecoveryStrategy::kRestart:
        restarts_now_ = true;
        ++history_.restarts;
        history_.retries = 0;
        break;
    }
    tried_.push_back(step_);
    if (operation_.on_step) operation_.on_step(step_, cause_);
    return wait(step.delay);
  }

  void check_cancelled() const {
    if (operation_.cancelled && operation_.cancelled->load()) {
      throw Error(ErrorCode::kCancelled,
                  fmt::format("{} of '{}' was cancelled", operation_.name, operation_.model_id));
    }
  }

  // False: the deadline is sooner.
  bool wait(nanoseconds delay) const {
    const auto end = owner_.clock_.now() + delay;
    if (operation_.deadline && end >= *operation_.deadline) return false;
    for (auto now = owner_.clock_.now(); now < end; now = owner_.clock_.now()) {
      check_cancelled();
      owner_.clock_.sleep_for(std::min<nanoseconds>(kCancelCheck, end - now));
    }
    return true;
  }

  void publish(const std::optional<Error>& error) const {
    if (!owner_.publish_) return;
    const std::string outcome = error ? fmt::format("failed: {}", error->what()) : "succeeded";
    owner_.publish_(
        {.type = EventType::kRecovery,
         .model_id = operation_.model_id,
         .device = attempt_.device,
         .message = fmt::format("{} {}, attempt {}: {}", operation_.name, step_, attempt_.number, outcome),
         .cause = cause_});
  }

  [[noreturn]] void fail(const Error& error) const {
    if (tried_.empty()) throw error;
    throw Error(error.code(), fmt::format("{} (tried: {})", error.what(), fmt::join(tried_, ", ")),
                error.retry_after());
  }

  RecoveryExecutor& owner_;
  const RecoverableOperation& operation_;
  RecoverableOperation::Attempt attempt_;
  RecoveryHistory history_;
  std::vector<base::DeviceId> fallbacks_;
  std::set<base::DeviceId> relieved_;
  std::map<int, int> used_;  // how often a registered action was, by its number
  std::string step_;         // that led to this attempt; empty: the first
  std::string cause_;        // the error before it
  std::vector<std::string> tried_;
  bool restarts_now_ = false;
};

RecoveryExecutor::RecoveryExecutor(const base::Clock& clock, std::function<void(Event)> publish,
                                   std::function<double()> chance, const RecoveryOptions& options)
    : clock_(clock), publish_(std::move(publish)), chance_(std::move(chance)), options_(options) {}

int RecoveryExecutor::register_recovery_action(ErrorCode code, RecoveryAction action) {
  if (!action.action || action.max_attempts < 1) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("the recovery action '{}' for {} needs something to call and at least one attempt",
                    action.description, base::error_code_name(code)));
  }
  MutexLock lock(mutex_);
  actions_[code].emplace_back(++last_action_, std::move(action));
  return last_action_;
}

bool RecoveryExecutor::unregister_recovery_action(int number) {
  NumberedActions ended;  // destroyed without the lock
  MutexLock lock(mutex_);
  for (auto& [code, actions] : actions_) {
    const auto found = std::find_if(actions.begin(), actions.end(),
                                    [&](const auto& action) { return action.first == number; });
    if (found == actions.end()) continue;
    ended.push_back(std::move(*found));
    actions.erase(found);
    return true;
  }
  return false;
}

void RecoveryExecutor::execute(const RecoverableOperation& operation) {
  check_cool_down(operation);
  try {
    Execution(*this, operation).run();
  } catch (const Error& error) {
    note_failure(operation, error);
    throw;
  }
  note_success(operation);
}

void RecoveryExecutor::check_cool_down(const RecoverableOperation& operation) {
  if (!operation.cools_down) return;
  MutexLock lock(mutex_);
  const auto found = cooling_.find(cooling_key(operation));
  if (found == cooling_.end()) return;
  const Cooling& cooling = found->second;
  const auto now = clock_.now();
  if (cooling.fingerprint != operation.fingerprint || now >= cooling.until) return;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(cooling.until - now);
  throw Error(ErrorCode::kUnavailable,
              fmt::format("{} of '{}' failed {} times and is not tried again for {:.1f} s; the last time: {}",
                          operation.name, operation.model_id, cooling.failures,
                          std::chrono::duration<double>(left).count(), cooling.message),
              left);
}

void RecoveryExecutor::note_success(const RecoverableOperation& operation) {
  if (!operation.cools_down) return;
  MutexLock lock(mutex_);
  cooling_.erase(cooling_key(operation));
}

void RecoveryExecutor::note_failure(const RecoverableOperation& operation, const Error& error) {
  if (!operation.cools_down || !is_costly(error.code())) return;
  MutexLock lock(mutex_);
  const std::string key = cooling_key(operation);
  if (cooling_.size() >= kMostCooling && cooling_.count(key) == 0) {
    cooling_.erase(std::min_element(cooling_.begin(), cooling_.end(), [](const auto& a, const auto& b) {
      return a.second.until < b.second.until;
    }));
  }
  Cooling& cooling = cooling_[key];
  if (cooling.fingerprint != operation.fingerprint) cooling.failures = 0;
  cooling.fingerprint = operation.fingerprint;
  cooling.model_id = operation.model_id;
  cooling.message = error.what();
  cooling.until = clock_.now() + cool_down(++cooling.failures, options_);
}

void RecoveryExecutor::forget(const std::string& model_id) {
  MutexLock lock(mutex_);
  std::erase_if(cooling_, [&](const auto& entry) { return entry.second.model_id == model_id; });
}

void RecoveryExecutor::remember(const ErrorContext& context) {
  MutexLock lock(mutex_);
  recent_.push_back(context);
  if (recent_.size() > kRemembered) recent_.pop_front();
}

std::vector<ErrorContext> RecoveryExecutor::recent() const {
  MutexLock lock(mutex_);
  return {recent_.begin(), recent_.end()};
}

RecoveryExecutor::NumberedActions RecoveryExecutor::actions_for(ErrorCode code) const {
  MutexLock lock(mutex_);
  const auto found = actions_.find(code);
  return found == actions_.end() ? NumberedActions() : found->second;
}

}  // namespace greenroom::core
