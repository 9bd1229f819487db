#include "server/problem.h"

#include <algorithm>
#include <new>

#include "base/log.h"

namespace greenroom::server {
namespace {

using base::ErrorCode;

constexpr int kBadRequest = 400;
constexpr int kTooMany = 429;
constexpr int kServerError = 500;
constexpr int kUnavailable = 503;
constexpr std::chrono::seconds kUsualPatience{5};

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kBadRequest;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kFailedPrecondition:
      return 409;
    case ErrorCode::kDataLoss:
      return 422;
    case ErrorCode::kCancelled:
      return 499;
    case ErrorCode::kUnimplemented:
      return 501;
    case ErrorCode::kUnavailable:
      return kUnavailable;
    case ErrorCode::kDeadlineExceeded:
      return 504;
    case ErrorCode::kResourceExhausted:
      return 507;
    case ErrorCode::kInternal:
      return kServerError;
  }
  return kServerError;
}

Response with_hints(Response response, const Problem& problem) {
  response.headers.set("Cache-Control", "no-store");
  if (problem.retry_after) response.headers.set("Retry-After", std::to_string(problem.retry_after->count()));
  constexpr int kUnauthorized = 401;
  if (problem.status == kUnauthorized) response.headers.set("WWW-Authenticate", "Bearer realm=\"greenroom\"");
  return response;
}

// The kinds that OpenAI's clients tell apart.
const char* openai_type(int status) {
  constexpr int kUnauthorized = 401, kForbidden = 403;
  if (status == kUnauthorized) return "authentication_error";
  if (status == kForbidden) return "permission_error";
  if (status == kTooMany) return "rate_limit_error";
  return status < kServerError ? "invalid_request_error" : "server_error";
}

}  // namespace

Problem problem_of(const base::Error& error) {
  Problem problem;
  problem.detail = error.what();
  if (const auto* http = dynamic_cast<const HttpError*>(&error)) {
    problem.status = http->status();
    problem.code = http->name();
  } else {
    problem.status = status_of(error.code());
    problem.code = base::error_code_name(error.code());
  }
  if (error.retry_after()) {
    problem.retry_after =
        std::max(std::chrono::seconds(1), std::chrono::ceil<std::chrono::seconds>(*error.retry_after()));
    if (problem.status == kUnavailable) problem.status = kTooMany;
  } else if (problem.status == kUnavailable) {
    problem.retry_after = kUsualPatience;
  }
  return problem;
}

Problem problem_of(const std::exception_ptr& thrown, const std::string& where) {
  Problem problem{kServerError, "internal", "an error of an unknown type", std::nullopt, std::nullopt};
  try {
    std::rethrow_exception(thrown);
  } catch (const base::Error& error) {
    problem = problem_of(error);
  } catch (const std::bad_alloc&) {
    problem =
        problem_of(base::Error(ErrorCode::kUnavailable, "the system has no memory left; try again later"));
  } catch (const std::exception& error) {
    problem.detail = error.what();
  } catch (...) {
  }
  if (problem.status == kServerError) {
    base::log(base::LogLevel::kError, "server", fmt::format("{}: {}", where, problem.detail));
  }
  return problem;
}

Response problem_json(const Problem& problem) {
  base::Json json = {{"type", "urn:greenroom:error:" + problem.code},
                     {"title", reason_phrase(problem.status)},
                     {"status", problem.status},
                     {"detail", problem.detail},
                     {"code", problem.code}};
  if (problem.remedy) json["remedy"] = *problem.remedy;
  return with_hints(Response::text(dump(json), "application/problem+json", problem.status), problem);
}

Response openai_error(const Problem& problem) {
  const base::Json json = {{"error",
                            {{"message", problem.detail},
                             {"type", openai_type(problem.status)},
                             {"param", nullptr},
                             {"code", problem.code}}}};
  return with_hints(Response::json(json, problem.status), problem);
}

Response kserve_error(const Problem& problem) {
  return with_hints(Response::json({{"error", problem.detail}}, problem.status), problem);
}

}  // namespace greenroom::server
