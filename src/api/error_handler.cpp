#include "greenroom/error_handler.h"

#include <cxxabi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <typeinfo>
#include <utility>

#include "api/process.h"
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

  void add(const std::string& type, const RecoveryAction& action) {
    base::MutexLock lock(mutex_);
    actions_[type].push_back(action);
  }
  std::vector<RecoveryAction> actions_for(const ErrorContext& context) {
    base::MutexLock lock(mutex_);
    std::vector<RecoveryAction> found;
    for (const auto& key : {context.component + "." + context.error_type, context.component,
                            context.error_type, std::string("default")}) {
      const auto actions = actions_.find(key);
      if (actions != actions_.end())
        found.insert(found.end(), actions->second.begin(), actions->second.end());
    }
    return found;
  }

  void add(ErrorCallback callback) {
    base::MutexLock lock(mutex_);
    callbacks_.push_back(std::move(callback));
  }
  std::vector<ErrorCallback> note(const ErrorContext& context) {
    base::MutexLock lock(mutex_);
    ++counts_[context.component + "." + context.error_type];
    errors_.push_back(context);
    if (errors_.size() > kMostRemembered) errors_.pop_front();
    return callbacks_;
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
  std::map<std::string, std::vector<RecoveryAction>> actions_ GUARDED_BY(mutex_);
  std::vector<ErrorCallback> callbacks_ GUARDED_BY(mutex_);
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

void ErrorHandler::register_recovery_action(const std::string& error_type, const RecoveryAction& action) {
  at_border([&] {
    check(error_type, action);
    Registered::instance().add(error_type, action);
    const auto code = code_named(error_type);
    if (!code) return;
    Process::instance().on_every_engine([code = *code, action = from_public(action)](app::Engine& engine) {
      engine.recovery().register_recovery_action(code, action);
    });
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
      act({.action = [&](const ErrorContext& told) { return callback(told), true; },
           .description = "error callback"},
          context);
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

void ErrorHandler::add_error_callback(ErrorCallback callback) {
  at_border([&] { Registered::instance().add(std::move(callback)); });
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
