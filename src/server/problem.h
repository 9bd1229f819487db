// Errors as answers: the one table from an error's code to a status, and the one place that writes them.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "server/http_message.h"

namespace greenroom::server {

// What went wrong, before it is written down in one of the forms that clients expect.
struct Problem {
  int status = 500;
  std::string code;  // base::ErrorCode's name, or "unauthorized", "forbidden", "payload_too_large", …
  std::string detail;
  std::optional<std::string> remedy;
  std::optional<std::chrono::seconds> retry_after;
};

// Something of HTTP's own that no other layer has a code for. The status decides.
class HttpError : public base::Error {
 public:
  HttpError(int status, std::string code, const std::string& message)
      : base::Error(base::ErrorCode::kInvalidArgument, message), status_(status), name_(std::move(code)) {}
  int status() const { return status_; }
  const std::string& name() const { return name_; }

 private:
  int status_;
  std::string name_;
};

//   invalid_argument 400   not_found 404       failed_precondition 409   data_loss 422
//   resource_exhausted 507 (does not fit the memory budget: waiting alone does not help)
//   unavailable 503; 429 when the error says when to try again (the queue is full, a model cools down)
//   deadline_exceeded 504  cancelled 499       unimplemented 501         internal 500
Problem problem_of(const base::Error& error);
// Of whatever was thrown; what is no base::Error is internal, and logged with `where`.
Problem problem_of(const std::exception_ptr& thrown, const std::string& where);

// How a group of routes words its errors.
using ErrorForm = Response (*)(const Problem& problem);

// RFC 9457: application/problem+json {"type", "title", "status", "detail", "code", "remedy"?}.
Response problem_json(const Problem& problem);
// {"error": {"message", "type", "param": null, "code"}}
Response openai_error(const Problem& problem);
// {"error": "…"}
Response kserve_error(const Problem& problem);

}  // namespace greenroom::server
