// Asking a running daemon.
#pragma once

#include <optional>
#include <string>

namespace greenroom::server {

// The body of a successful answer; nullopt when nobody listens there, or answers otherwise or not within two
// seconds.
std::optional<std::string> http_get(const std::string& host, int port, const std::string& path);

}  // namespace greenroom::server
