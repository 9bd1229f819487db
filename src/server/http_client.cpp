#include "server/http_client.h"

#include <httplib.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace greenroom::server {
namespace {

using base::Error;
using base::ErrorCode;

httplib::Headers headers_with(const std::string& api_key) {
  if (api_key.empty()) return {};
  return {{"Authorization", "Bearer " + api_key}};
}

ErrorCode code_of(int status) {
  struct Entry {
    int status;
    ErrorCode code;
  };
  static constexpr Entry kEntries[] = {
      {400, ErrorCode::kInvalidArgument},    {404, ErrorCode::kNotFound},
      {409, ErrorCode::kFailedPrecondition}, {422, ErrorCode::kDataLoss},
      {429, ErrorCode::kUnavailable},        {499, ErrorCode::kCancelled},
      {501, ErrorCode::kUnimplemented},      {503, ErrorCode::kUnavailable},
      {504, ErrorCode::kDeadlineExceeded},   {507, ErrorCode::kResourceExhausted}};
  for (const auto& entry : kEntries) {
    if (entry.status == status) return entry.code;
  }
  constexpr int kServerError = 500;
  return status < kServerError ? ErrorCode::kInvalidArgument : ErrorCode::kInternal;
}

[[noreturn]] void refuse(int status, const std::string& body) {
  const auto json = base::Json::parse(body, nullptr, false);
  std::string message = fmt::format("the daemon answers with HTTP status {}", status);
  if (json.is_object() && json.contains("detail") && json["detail"].is_string()) {
    message = json["detail"].get<std::string>();
  }
  if (json.is_object() && json.contains("remedy") && json["remedy"].is_string()) {
    message += "; " + json["remedy"].get<std::string>();
  }
  throw Error(code_of(status), message);
}

bool is_fine(int status) {
  constexpr int kOk = 200, kRedirect = 300;
  return status >= kOk && status < kRedirect;
}

}  // namespace

std::optional<std::string> http_get(const std::string& host, int port, const std::string& path,
                                    const std::string& api_key) {
  constexpr int kPatienceSeconds = 2, kOk = 200;
  const bool any = host == "0.0.0.0" || host == "::";
  httplib::Client client(any ? "127.0.0.1" : host, port);
  client.set_connection_timeout(kPatienceSeconds);
  client.set_read_timeout(kPatienceSeconds);
  const auto answer = client.Get(path, headers_with(api_key));
  if (!answer || answer->status != kOk) return std::nullopt;
  return answer->body;
}

std::string encode_part(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
    result += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

struct ApiClient::Connection {
  Connection(const std::string& address, const std::string& key)
      : url(address), client(address), headers(headers_with(key)) {}

  [[noreturn]] void fail(httplib::Error error) const {
    throw Error(
        ErrorCode::kUnavailable,
        fmt::format("no greenroom answers at {} ({}): start one with `greenroom serve`, or name another with "
                    "--server URL or GREENROOM_SERVER",
                    url, httplib::to_string(error)));
  }

  base::Json finish(const httplib::Result& answer) const {
    if (!answer) fail(answer.error());
    if (!is_fine(answer->status)) refuse(answer->status, answer->body);
    if (answer->body.empty()) return {};
    return base::parse_json(answer->body, "the answer of " + url);
  }

  std::string url;
  httplib::Client client;
  httplib::Headers headers;
};

const std::string& checked_url(const std::string& url) {
  const auto scheme = url.find("://");
  const bool known = url.starts_with("http://") || url.starts_with("https://");
  if (!known || url.find('/', scheme + 3) != std::string::npos || url.size() == scheme + 3) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the server \"{}\" is not of the form http://HOST:PORT", url));
  }
  return url;
}

ApiClient::ApiClient(const std::string& url, const std::string& api_key) {
  checked_url(url);
  connection_ = std::make_unique<Connection>(url, api_key);
  constexpr int kConnectSeconds = 5, kWorkSeconds = 3600;
  connection_->client.set_connection_timeout(kConnectSeconds);
  connection_->client.set_read_timeout(kWorkSeconds);
}

ApiClient::~ApiClient() = default;

base::Json ApiClient::get(const std::string& path) {
  return connection_->finish(connection_->client.Get(path, connection_->headers));
}

base::Json ApiClient::post(const std::string& path, const base::Json& body) {
  return connection_->finish(
      connection_->client.Post(path, connection_->headers, body.dump(), "application/json"));
}

void ApiClient::stream(const std::string& path, const std::function<bool(std::string_view)>& receive) {
  int status = 0;
  std::string refusal;
  const auto answer = connection_->client.Get(
      path, connection_->headers,
      [&](const httplib::Response& response) {
        status = response.status;
        return true;
      },
      [&](const char* bytes, std::size_t count) {
        if (is_fine(status)) return receive({bytes, count});
        refusal.append(bytes, count);
        return true;
      });
  if (status == 0) connection_->fail(answer.error());
  if (!is_fine(status)) refuse(status, refusal);
}

}  // namespace greenroom::server
