// The one error of greenroom's C++ API.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace greenroom {

enum class ErrorCode {
  invalid_argument,     // the caller's input is wrong and would be wrong at any time
  not_found,            // a named file, model or task does not exist
  data_loss,            // a file is truncated, corrupt or not what it claims to be
  resource_exhausted,   // does not fit the memory budget
  failed_precondition,  // right request, wrong state: the model is unloading, libtorch is missing
  unavailable,          // may pass: busy, shutting down
  cancelled,
  unimplemented,
  internal,  // a bug of greenroom's or of a library's
};

// "resource_exhausted".
std::string_view error_code_name(ErrorCode code);

// Thrown by everything in greenroom/ that says it throws. what() names what failed, where, the offending
// value, and the remedy when there is one.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace greenroom
