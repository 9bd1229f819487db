#include "server/http_client.h"

#include <httplib.h>

namespace greenroom::server {

std::optional<std::string> http_get(const std::string& host, int port, const std::string& path) {
  constexpr int kPatienceSeconds = 2, kOk = 200;
  const bool any = host == "0.0.0.0" || host == "::";
  httplib::Client client(any ? "127.0.0.1" : host, port);
  client.set_connection_timeout(kPatienceSeconds);
  client.set_read_timeout(kPatienceSeconds);
  const auto answer = client.Get(path);
  if (!answer || answer->status != kOk) return std::nullopt;
  return answer->body;
}

}  // namespace greenroom::server
