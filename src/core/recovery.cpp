#include "core/recovery.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace greenroom::core {
namespace {

using base::ErrorCode;
using std::chrono::nanoseconds;

// first * 2^doublings, at most `longest`.
nanoseconds doubled(nanoseconds first, int doublings, nanoseconds longest) {
  nanoseconds delay = first;
  for (int i = 0; i < doublings && delay < longest; ++i) delay *= 2;
  return std::min(delay, longest);
}

RecoveryStep retry(const ErrorContext& failure, const RecoveryHistory& history,
                   const RecoveryOptions& options, double chance) {
  RecoveryStep step{RecoveryStrategy::kRetry};
  const nanoseconds full = doubled(options.first_delay, history.retries, options.longest_delay);
  const double share = 1 - options.jitter * chance;
  step.delay = nanoseconds(static_cast<std::int64_t>(static_cast<double>(full.count()) * share));
  if (failure.retry_after) step.delay = std::max<nanoseconds>(step.delay, *failure.retry_after);
  step.description = fmt::format("retry {} of {} after {:.1f} s", history.retries + 1, options.max_retries,
                                 std::chrono::duration<double>(step.delay).count());
  return step;
}

}  // namespace

std::string_view recovery_strategy_name(RecoveryStrategy strategy) {
  switch (strategy) {
    case RecoveryStrategy::kRetry:
      return "retry";
    case RecoveryStrategy::kFallback:
      return "fallback";
    case RecoveryStrategy::kDegrade:
      return "degrade";
    case RecoveryStrategy::kAbort:
      return "abort";
    case RecoveryStrategy::kRestart:
      return "restart";
  }
  return "abort";
}

ErrorSeverity severity_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kCancelled:
    case ErrorCode::kUnimplemented:
      return ErrorSeverity::kLow;
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
      return ErrorSeverity::kMedium;
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kFailedPrecondition:
      return ErrorSeverity::kHigh;
    case ErrorCode::kDataLoss:
    case ErrorCode::kInternal:
      break;
  }
  return ErrorSeverity::kCritical;
}

std::string_view error_severity_name(ErrorSeverity severity) {
  switch (severity) {
    case ErrorSeverity::kLow:
      return "low";
    case ErrorSeverity::kMedium:
      return "medium";
    case ErrorSeverity::kHigh:
      return "high";
    case ErrorSeverity::kCritical:
      return "critical";
  }
  return "critical";
}

std::string_view remedy_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "correct what the message names, then try again";
    case ErrorCode::kNotFound:
      return "put the file where it is looked for, or correct its path, then load the model again";
    case ErrorCode::kDataLoss:
      return "the file is damaged or incomplete: copy it again, then load the model again";
    case ErrorCode::kResourceExhausted:
      return "unload what is not needed, raise the memory budget or choose another device, then load the "
             "model again";
    case ErrorCode::kFailedPrecondition:
      return "change the state that the message names, then load the model again";
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
      return "it may pass: try again in a moment";
    case ErrorCode::kCancelled:
      return "load the model again";
    case ErrorCode::kUnimplemented:
      return "use a model or a setting that is supported";
    case ErrorCode::kInternal:
      break;
  }
  return "load the model again; when it fails again, report the message";
}

RecoveryStep next_step(const ErrorContext& failure, const RecoveryHistory& history,
                       const RecoveryMeans& means, const RecoveryOptions& options, double chance) {
  const bool is_run = failure.operation != "load";
  const bool may_restart = means.can_restart && history.restarts < options.max_restarts;
  RecoveryStep restart{RecoveryStrategy::kRestart, {}, std::nullopt, "after loading the model afresh"};
  switch (failure.code) {
    case ErrorCode::kUnavailable:
      if (history.retries < options.max_retries) return retry(failure, history, options, chance);
      break;
    case ErrorCode::kResourceExhausted:
      if (means.can_degrade) return {RecoveryStrategy::kDegrade, {}, std::nullopt, "with less memory"};
      break;
    case ErrorCode::kDataLoss:
      if (is_run && may_restart) return restart;
      return {};
    case ErrorCode::kInternal:
      if (may_restart) return restart;
      break;
    default:
      return {};
  }
  if (means.fallbacks.empty()) return {};
  const base::DeviceId device = means.fallbacks.front();
  return {RecoveryStrategy::kFallback, {}, device, "on " + base::to_string(device)};
}

nanoseconds cool_down(int failures, const RecoveryOptions& options) {
  if (failures < 2) return nanoseconds(0);
  return doubled(options.first_cool_down, failures - 2, options.longest_cool_down);
}

}  // namespace greenroom::core
