#include "greenroom/error_handler.h"

#include <cxxabi.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <typeinfo>
#include <utility>

#include "api/process.h"
#include "api/removable_call.h"
#include "api/translate.h"
#include "base/error.h"
#include "base/log.h"
#include "core/recovery.h"
#include "core/recovery_executor.h"

namespace greenroom {
namespace {

using api::at_border;
using api::Process;

constexpr std::size_t kMostRemembered = 1000;
constexpr double kSecondsPerHour = 3600;

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// "std::runtime_error"; the code's name of our own.
std::string type_name(const std::exception& error) {
  if (const auto* ours = dynamic_cast<const Error*>(&error))
    return std::string(error_code_name(ours->code()));
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? std::string(name.get()) : std::string(typeid(error).name());
}

std::optional<base::ErrorCode> code_named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(base::ErrorCode::kInternal); ++i) {
    const auto code = static_cast<base::ErrorCode>(i);
    if (base::error_code_name(code) == name) return code;
  }
  return std::nullopt;
}

ErrorContext to_public(const core::ErrorContext& context) {
  return {.error_type = std::string(base::error_code_name(context.code)),
          .error_message = context.message,
          .severity = static_cast<ErrorSeverity>(context.severity),
          .component = context.model_id,
          .operation = context.operation,
          .device = base::to_string(context.device),
          .attempt = context.attempt,
          .timestamp = std::chrono::duration<double>(context.time.time_since_epoch()).count()};
}

bool act(const RecoveryAction& action, const ErrorContext& context) {
  try {
    return action.action(context);
  } catch (const std::exception& error) {
    base::log(base::LogLevel::kWarning, "api", action.description + ": " + error.what());
  } catch (...) {
    base::log(base::LogLevel::kWarning, "api", action.description + ": failed");
  }
  return false;
}

// The same action by way of `call`.
RecoveryAction by(const std::shared_ptr<api::RemovableCall>& call, RecoveryAction action) {
  action.action = [call](const ErrorContext& context) { return (*call)(context); };
  return action;
}

core::RecoveryAction from_public(const RecoveryAction& action) {
  return {.strategy = static_cast<core::RecoveryStrategy>(action.strategy),
          .action = [action](const core::ErrorContext& context) { return act(action, to_public(context)); },
          .description = action.description,
          .max_attempts = action.max_attempts,
          .delay = std::chrono::duration_cast<std::chrono::nanoseconds>(
              std::chrono::duration<double>(action.delay))};
}

// What the program registered and what it let handle. Outlives engines. Thread-safe.
class Registered {
 public:
  static Registered& instance() {
    static auto* registered = new Registered;  // never destroyed, as Process
    return *registered;
  }

  struct Action {
    RecoveryAction action;  // by way of `call`
    std::shared_ptr<api::RemovableCall> call;
    // Its number in the engine that was started last; 0 when it is for no engine.
    std::shared_ptr<std::atomic<int>> in_engine = std::make_shared<std::atomic<int>>(0);
  };

  int add(const std::string& type, const Action& action) {
    base::MutexLock lock(mutex_);
    actions_[type][++last_] = action;
    return last_;
  }
  std::optional<Action> take_action(int number) {
    base::MutexLock lock(mutex_);
    for (auto& [type, actions] : actions_) {
      if (auto taken = actions.extract(number)) return std::move(taken.mapped());
    }
    return std::nullopt;
  }
  std::vector<RecoveryAction> actions_for(const ErrorContext& context) {
    base::MutexLock lock(mutex_);
    std::vector<RecoveryAction> found;
    for (const auto& key : {context.component + "." + context.error_type, context.component,
                            context.error_type, std::string("default")}) {
      const auto actions = actions_.find(key);
      if (actions == actions_.end()) continue;
      for (const auto& [number, action] : actions->second) found.push_back(action.action);
    }
    return found;
  }

  int add(const std::shared_ptr<api::RemovableCall>& callback) {
    base::MutexLock lock(mutex_);
    callbacks_[++last_] = callback;
    return last_;
  }
  std::shared_ptr<api::RemovableCall> take_callback(int number) {
    base::MutexLock lock(mutex_);
    auto taken = callbacks_.extract(number);
    return taken ? std::move(taken.mapped()) : nullptr;
  }
  std::vector<std::shared_ptr<api::RemovableCall>> note(const ErrorContext& context) {
    base::MutexLock lock(mutex_);
    ++counts_[context.component + "." + context.error_type];
    errors_.push_back(context);
    if (errors_.size() > kMostRemembered) errors_.pop_front();
    std::vector<std::shared_ptr<api::RemovableCall>> callbacks;
    for (const auto& [number, callback] : callbacks_) callbacks.push_back(callback);
    return callbacks;
  }

  std::deque<ErrorContext> errors() {
    base::MutexLock lock(mutex_);
    return errors_;
  }
  std::map<std::string, std::uint64_t> counts() {
    base::MutexLock lock(mutex_);
    return counts_;
  }
  void clear() {
    base::MutexLock lock(mutex_);
    errors_.clear();
    counts_.clear();
  }

 private:
  base::Mutex mutex_;
  int last_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::map<int, Action>> actions_ GUARDED_BY(mutex_);  // in the order of registration
  std::map<int, std::shared_ptr<api::RemovableCall>> callbacks_ GUARDED_BY(mutex_);
  std::deque<ErrorContext> errors_ GUARDED_BY(mutex_);
  std::map<std::string, std::uint64_t> counts_ GUARDED_BY(mutex_);
};

void check(const std::string& error_type, const RecoveryAction& action) {
  const char* problem = error_type.empty()               ? "needs the name of an error"
                        : !action.action                 ? "needs an action to call"
                        : action.max_attempts < 1        ? "needs at least one attempt"
                        : !(action.delay >= 0)           ? "cannot have a negative delay"
                        : action.delay > kSecondsPerHour ? "cannot have a delay of more than an hour"
                                                         : nullptr;
  if (problem == nullptr) return;
  throw Error(ErrorCode::invalid_argument,
              "the recovery action \"" + action.description + "\" for \"" + error_type + "\" " + problem);
}

}  // namespace

std::string_view error_severity_name(ErrorSeverity severity) {
  return core::error_severity_name(static_cast<core::ErrorSeverity>(severity));
}

std::string_view recovery_strategy_name(RecoveryStrategy strategy) {
  return core::recovery_strategy_name(static_cast<core::RecoveryStrategy>(strategy));
}

int ErrorHandler::register_recovery_action(const std::string& error_type, const RecoveryAction& action) {
  return at_border([&] {
    check(error_type, action);
    const auto call = std::make_shared<api::RemovableCall>(action.action);
    const Registered::Action registered{by(call, action), call};
    const int number = Registered::instance().add(error_type, registered);
    const auto code = code_named(error_type);
    if (!code) return number;
    Process::instance().on_every_engine([code = *code, registered](app::Engine& engine) {
      if (registered.call->is_removed()) return;
      *registered.in_engine =
          engine.recovery().register_recovery_action(code, from_public(registered.action));
    });
    return number;
  });
}

bool ErrorHandler::unregister_recovery_action(int number) {
  return at_border([&] {
    const auto action = Registered::instance().take_action(number);
    if (!action) return false;
    action->call->remove();
    // An engine that starts meanwhile may keep it: as one that does nothing.
    const auto engine = Process::instance().running();
    if (engine) engine->recovery().unregister_recovery_action(*action->in_engine);
    return true;
  });
}

bool ErrorHandler::handle_error(const std::exception& error, const std::string& component,
                                const std::string& operation, ErrorSeverity severity) {
  return at_border([&] {
    ErrorContext context{.error_type = type_name(error),
                         .error_message = error.what(),
                         .severity = severity,
                         .component = component,
                         .operation = operation,
                         .timestamp = now()};
    for (const auto& callback : Registered::instance().note(context)) {
      act({.action = std::ref(*callback), .description = "error callback"}, context);
    }
    for (const auto& action : Registered::instance().actions_for(context)) {
      for (context.attempt = 1; context.attempt <= action.max_attempts; ++context.attempt) {
        if (context.attempt > 1) std::this_thread::sleep_for(std::chrono::duration<double>(action.delay));
        if (act(action, context)) return true;
      }
    }
    return false;
  });
}

int ErrorHandler::add_error_callback(ErrorCallback callback) {
  return at_border([&] {
    return Registered::instance().add(std::make_shared<api::RemovableCall>(
        [callback = std::move(callback)](const ErrorContext& told) { return callback(told), true; }));
  });
}

bool ErrorHandler::remove_error_callback(int number) {
  return at_border([&] {
    const auto callback = Registered::instance().take_callback(number);
    if (callback) callback->remove();
    return callback != nullptr;
  });
}

std::vector<ErrorContext> ErrorHandler::get_recent_errors(double hours) const {
  return at_border([&] {
    const double since = now() - hours * kSecondsPerHour;
    std::vector<ErrorContext> errors;
    for (auto& error : Registered::instance().errors()) errors.push_back(std::move(error));
    if (const auto engine = Process::instance().running()) {
      for (const auto& context : engine->recovery().recent()) errors.push_back(to_public(context));
    }
    std::erase_if(errors, [&](const auto& error) { return error.timestamp < since; });
    std::stable_sort(errors.begin(), errors.end(),
                     [](const auto& a, const auto& b) { return a.timestamp < b.timestamp; });
    return errors;
  });
}

std::map<std::string, std::uint64_t> ErrorHandler::get_error_counts() const {
  return at_border([] { return Registered::instance().counts(); });
}

void ErrorHandler::clear_history() {
  at_border([] { Registered::instance().clear(); });
}

ErrorHandler& get_error_handler() {
  static ErrorHandler handler;  // holds nothing: see Registered
  return handler;
}

}  // namespace greenroom
