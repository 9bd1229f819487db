#include "server/http_message.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace greenroom::server {
namespace {

constexpr std::size_t kMaxJsonBytes = 1U << 20;
constexpr std::size_t kMaxJsonDepth = 32;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

void Headers::set(std::string_view name, std::string value) {
  std::erase_if(list_, [&](const auto& header) { return equal_ignoring_case(header.first, name); });
  list_.emplace_back(std::string(name), std::move(value));
}

std::optional<std::string> Headers::find(std::string_view name) const {
  for (const auto& [known, value] : list_) {
    if (equal_ignoring_case(known, name)) return value;
  }
  return std::nullopt;
}

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(list_.begin(), list_.end(), [&](const auto& header) {
    return equal_ignoring_case(header.first, name);
  }));
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
  for (const auto& [known, value] : list_) {
    if (!equal_ignoring_case(known, name)) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      if (equal_ignoring_case(trim(rest.substr(0, comma)), token)) return true;
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  return false;
}

std::optional<std::string> Parameters::find(std::string_view name) const {
  for (const auto& [known, value] : list_) {
    if (known == name) return value;
  }
  return std::nullopt;
}

base::Json Request::json() const {
  if (body.empty()) return base::Json::object();
  base::Json parsed;
  try {
    parsed = base::parse_json(body, "the request body", {kMaxJsonBytes, kMaxJsonDepth});
  } catch (const base::Error& error) {
    throw base::Error(base::ErrorCode::kInvalidArgument, error.what());
  }
  if (!parsed.is_object()) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        std::string("the request body is of type ") + parsed.type_name() + "; it must be a JSON object");
  }
  return parsed;
}

Response Response::json(const base::Json& value, int status) {
  return text(dump(value), "application/json", status);
}

Response Response::text(std::string body, std::string content_type, int status) {
  Response response;
  response.status = status;
  response.headers.set("Content-Type", std::move(content_type));
  response.body = std::move(body);
  return response;
}

Response Response::nothing() {
  Response response;
  response.status = 204;
  return response;
}

Response Response::from_file(std::filesystem::path path, std::string content_type,
                             std::shared_ptr<const void> keeper) {
  Response response;
  response.headers.set("Content-Type", std::move(content_type));
  response.file = std::move(path);
  response.keeper = std::move(keeper);
  return response;
}

Response Response::streamed(std::string content_type, std::function<void(BodyWriter&)> write) {
  Response response;
  response.headers.set("Content-Type", std::move(content_type));
  response.stream = std::move(write);
  return response;
}

std::string dump(const base::Json& json) {
  return json.dump(-1, ' ', false, base::Json::error_handler_t::replace) + "\n";
}

std::string_view reason_phrase(int status) {
  struct Phrase {
    int status;
    std::string_view text;
  };
  static constexpr Phrase kPhrases[] = {
      {100, "Continue"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {411, "Length Required"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {499, "Client Closed Request"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {507, "Insufficient Storage"},
  };
  for (const auto& phrase : kPhrases) {
    if (phrase.status == status) return phrase.text;
  }
  return "Unknown";
}

}  // namespace greenroom::server
