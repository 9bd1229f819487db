#include "server/webhook.h"

#include <httplib.h>
#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <chrono>

#include "base/error.h"

namespace greenroom::server {
namespace {

constexpr int kPatienceSeconds = 5;

struct Address {
  std::string server;  // "http://host:port"
  std::string path;
};

Address parse(const std::string& url) {
  const auto scheme = url.find("://");
  const bool known = url.starts_with("http://") || url.starts_with("https://");
  const auto begin = known ? scheme + 3 : std::string::npos;
  if (!known || begin >= url.size() || url[begin] == '/') {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      fmt::format("the webhook \"{}\" is not of the form http://HOST:PORT/PATH", url));
  }
  const auto slash = url.find('/', begin);
  if (slash == std::string::npos) return {url, "/"};
  return {url.substr(0, slash), url.substr(slash)};
}

}  // namespace

base::Json to_json(const monitor::MemoryAlert& alert) {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(alert.timestamp.time_since_epoch()).count();
  constexpr std::int64_t kThousand = 1000;
  const auto time = static_cast<std::time_t>(milliseconds / kThousand);
  return {{"source", "greenroom"},
          {"type", alert.alert_type},
          {"rule", alert.rule},
          {"device", alert.device},
          {"message", alert.message},
          {"value", alert.memory_usage},
          {"threshold", alert.threshold},
          {"time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(time), milliseconds % kThousand)}};
}

void post_alert(const std::string& url, const monitor::MemoryAlert& alert) {
  const Address address = parse(url);
  httplib::Client client(address.server);
  client.set_connection_timeout(kPatienceSeconds);
  client.set_read_timeout(kPatienceSeconds);
  client.set_write_timeout(kPatienceSeconds);
  const std::string body = to_json(alert).dump(-1, ' ', false, base::Json::error_handler_t::replace);
  const auto answer = client.Post(address.path, body, "application/json");
  constexpr int kSuccess = 200, kRedirect = 300;
  if (!answer) {
    throw base::Error(base::ErrorCode::kUnavailable, fmt::format("the webhook {} does not answer: {}", url,
                                                                 httplib::to_string(answer.error())));
  }
  if (answer->status < kSuccess || answer->status >= kRedirect) {
    throw base::Error(base::ErrorCode::kUnavailable,
                      fmt::format("the webhook {} answers with HTTP status {}", url, answer->status));
  }
}

}  // namespace greenroom::server
