// The one error type of the project.
//
// Exceptions end an operation; an outcome the caller is expected to handle (does not fit, not found in a
// lookup) is a return value instead. Errors are caught in three places only: the HTTP handler, the CLI's
// main, and the manager's load.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace greenroom::base {

// Codes in the sense of abseil's canonical codes.
enum class ErrorCode {
  kInvalidArgument,     // the caller's input is wrong and would be wrong at any time
  kNotFound,            // a named file, model or speaker does not exist
  kDataLoss,            // a file is truncated, corrupt or not what it claims to be
  kResourceExhausted,   // does not fit the memory budget
  kFailedPrecondition,  // right request, wrong state: the model is unloading, libtorch is missing
  kUnavailable,         // may pass: busy, shutting down
  kDeadlineExceeded,    // its time was up before it began; nothing was done
  kCancelled,
  kUnimplemented,
  kInternal,  // our bug, or a library's
};

// Stable lower-case name, for logs and JSON ("invalid_argument").
std::string_view error_code_name(ErrorCode code);

// The message names what failed, where, the offending value, and the remedy when there is one.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message,
        std::optional<std::chrono::milliseconds> retry_after = std::nullopt)
      : std::runtime_error(message), code_(code), retry_after_(retry_after) {}
  ErrorCode code() const { return code_; }
  // When to try again; absent when nobody can tell.
  std::optional<std::chrono::milliseconds> retry_after() const { return retry_after_; }

 private:
  ErrorCode code_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

}  // namespace greenroom::base
