// What is done about errors: by rules of greenroom's own, and by actions of the program's.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "greenroom/error.h"

namespace greenroom {

enum class ErrorSeverity {
  LOW,       // the caller's to mend; nothing is wrong here
  MEDIUM,    // may pass
  HIGH,      // will not pass without somebody's help
  CRITICAL,  // a damaged file, or a bug
};
std::string_view error_severity_name(ErrorSeverity severity);  // "low"

enum class RecoveryStrategy {
  RETRY,     // the same again
  FALLBACK,  // on another device
  DEGRADE,   // with less memory, at the cost of quality or time
  ABORT,     // give the error to the caller
  RESTART,   // load the model afresh, then the same again
};
std::string_view recovery_strategy_name(RecoveryStrategy strategy);  // "retry"

// One error and where it happened.
struct ErrorContext {
  std::string
      error_type;  // an error code's name ("resource_exhausted"); of other exceptions, the class's name
  std::string error_message;
  ErrorSeverity severity = ErrorSeverity::MEDIUM;
  std::string component;  // of greenroom's own errors, the model's id
  std::string operation;  // "load", "convert"
  std::string device;     // "cuda:0"; empty when it has none
  int attempt = 1;        // which attempt of the operation failed
  double timestamp = 0;   // seconds since 1970, UTC
};

struct RecoveryAction {
  RecoveryStrategy strategy = RecoveryStrategy::RETRY;
  std::function<bool(const ErrorContext&)> action;  // true: it may help; go on as `strategy` says
  std::string description;
  int max_attempts = 3;  // per operation
  double delay = 1.0;    // seconds before the action
};

using ErrorCallback = std::function<void(const ErrorContext&)>;

// There is one, get_error_handler(). Thread-safe; actions and callbacks are called without a lock, from the
// thread that met the error. What they throw counts as false, and is logged.
class ErrorHandler {
 public:
  // `error_type` is the name of an error code: then the action runs inside greenroom when a load or an
  // inference meets that error, before greenroom's own rules (retry with growing delays, less memory, another
  // device), in the order of registration. Or it is any other name, for handle_error() alone: an exception's
  // class, a component, both as "component.type", or "default" for everything. Throws
  // Error(invalid_argument): no action, a negative delay, fewer than one attempt. Returns a number that takes
  // it off again. It stays over a shutdown and a new start until then: an action that uses what does not live
  // as long has to be taken off.
  int register_recovery_action(const std::string& error_type, const RecoveryAction& action);
  // Afterwards the action is not called any more; waits for calls in progress, unless it comes from within
  // one. False when there is none of that number.
  bool unregister_recovery_action(int number);

  // For errors of the program's own: remembers the error, tells the callbacks, and runs the actions
  // registered for "component.type", the component, the type and "default", in this order, until one
  // succeeds. True when one did.
  bool handle_error(const std::exception& error, const std::string& component, const std::string& operation,
                    ErrorSeverity severity = ErrorSeverity::MEDIUM);

  // Of handle_error's errors. Both as for actions.
  int add_error_callback(ErrorCallback callback);
  bool remove_error_callback(int number);

  // Both kinds, the oldest first: up to 1000 of handle_error and 200 of greenroom's own.
  std::vector<ErrorContext> get_recent_errors(double hours = 24) const;
  // How often each "component.type" was handled by handle_error.
  std::map<std::string, std::uint64_t> get_error_counts() const;
  void clear_history();
};

ErrorHandler& get_error_handler();

}  // namespace greenroom
