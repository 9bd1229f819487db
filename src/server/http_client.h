// Asking a running daemon.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace greenroom::server {

// The body of a successful answer; nullopt when nobody listens there, or answers otherwise or not within two
// seconds. `api_key` may be empty.
std::optional<std::string> http_get(const std::string& host, int port, const std::string& path,
                                    const std::string& api_key = "");

// "a/b" as one part of a path: "a%2Fb".
std::string encode_part(std::string_view text);

// `url` itself. Throws base::Error(kInvalidArgument) when it is not of the form "http://HOST:PORT".
const std::string& checked_url(const std::string& url);

// Speaks to the API of a daemon. Not thread-safe.
class ApiClient {
 public:
  // `url`: "http://127.0.0.1:7860". Throws base::Error(kInvalidArgument) when it is of another form.
  ApiClient(const std::string& url, const std::string& api_key);
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  // The answer as JSON, null when it is empty. Waits for as long as the daemon works. Throws base::Error:
  // kUnavailable when nobody answers, saying what to do; else with the daemon's own words and the code that
  // stands for its status.
  base::Json get(const std::string& path);
  base::Json post(const std::string& path, const base::Json& body = base::Json::object());

  // Hands on what comes until `receive` says false or the daemon ends it. Throws as get().
  void stream(const std::string& path, const std::function<bool(std::string_view)>& receive);

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace greenroom::server
