// What to do about an error: try again, elsewhere, with less, afresh, or not at all. The decision is pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/device_id.h"
#include "base/error.h"

namespace greenroom::core {

enum class RecoveryStrategy {
  kRetry,     // the same again, after a delay
  kFallback,  // on another device
  kDegrade,   // with less memory, at the cost of quality or time
  kAbort,     // give the error to the caller
  kRestart,   // load the model afresh, then the same again
};
std::string_view recovery_strategy_name(RecoveryStrategy strategy);  // "retry"

enum class ErrorSeverity {
  kLow,       // the caller's to mend; nothing is wrong here
  kMedium,    // may pass
  kHigh,      // will not pass without somebody's help: memory, a wrong state
  kCritical,  // a damaged file, or a bug
};
ErrorSeverity severity_of(base::ErrorCode code);
std::string_view error_severity_name(ErrorSeverity severity);  // "low"

// What a person can do about it; a sentence without a full stop.
std::string_view remedy_for(base::ErrorCode code);

// One error and where it happened.
struct ErrorContext {
  base::ErrorCode code = base::ErrorCode::kInternal;
  std::string message;
  std::string operation;  // "load", "convert"
  std::string model_id;
  base::DeviceId device;
  int attempt = 1;  // which attempt of the operation failed
  ErrorSeverity severity = ErrorSeverity::kCritical;
  base::Clock::WallTime time;
  std::optional<std::chrono::milliseconds> retry_after;  // what the error itself asks for
};

// What was tried already in this operation.
struct RecoveryHistory {
  int retries = 0;  // since the last change of device, degradation or restart
  int restarts = 0;
  int degradations = 0;
};

// What can be tried.
struct RecoveryMeans {
  std::vector<base::DeviceId> fallbacks;  // devices not tried yet, the preferred first, the CPU last
  bool can_degrade = false;               // once more
  bool can_restart = false;
};

struct RecoveryOptions {
  int max_retries = 3;
  int max_restarts = 1;
  std::chrono::nanoseconds first_delay = std::chrono::milliseconds(200);  // doubles with each retry
  std::chrono::nanoseconds longest_delay = std::chrono::seconds(10);
  double jitter = 0.2;  // share of the delay that is left to chance, so that many do not come back at once
  // From the second failure in a row on, a model's load is not tried at all for a time that doubles.
  std::chrono::nanoseconds first_cool_down = std::chrono::seconds(5);
  std::chrono::nanoseconds longest_cool_down = std::chrono::minutes(5);
};

struct RecoveryStep {
  RecoveryStrategy strategy = RecoveryStrategy::kAbort;
  std::chrono::nanoseconds delay{0};     // before it
  std::optional<base::DeviceId> device;  // of a fallback
  std::string description;               // "retry 1 of 3 after 0.2 s", "on cpu"
};

// `chance`: 0 <= chance < 1, spreads the delay.
//
//   kUnavailable        retry, then fall back
//   kResourceExhausted  degrade, then fall back (before: RecoverableOperation::relieved)
//   kDataLoss           in a run (a file changed under it): restart; else abort
//   kInternal           restart, then fall back
//   others              abort: trying again changes nothing
RecoveryStep next_step(const ErrorContext& failure, const RecoveryHistory& history,
                       const RecoveryMeans& means, const RecoveryOptions& options, double chance);

// How long after the `failures`th failure in a row nothing is tried; zero after the first.
std::chrono::nanoseconds cool_down(int failures, const RecoveryOptions& options);

}  // namespace greenroom::core
