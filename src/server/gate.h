// Who may come in: the name the server was called by, where a browser's request comes from, and the key.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/http_message.h"
#include "server/router.h"

namespace greenroom::server {

struct GateOptions {
  std::string api_key;                     // empty: none is asked for
  std::vector<std::string> allowed_hosts;  // beside localhost, 127.0.0.1, ::1 and the bound address
};

// Thread-safe once the address is set.
class Gate {
 public:
  explicit Gate(GateOptions options) : options_(std::move(options)) {}

  // What the server listens on, as the user said it: "127.0.0.1". `any`: all addresses of the machine; each
  // of them, as a number, is ours then.
  void set_address(std::string host, bool any);

  // Throws HttpError: 400 (no Host, or several), 403 (a Host that is not ours: DNS rebinding; a write that
  // comes from another site's page), 401 (no key, or another one). `route` may be null: a path that is not
  // served.
  void check(const Request& request, const Route* route) const;

 private:
  void check_host(const Request& request) const;
  void check_origin(const Request& request) const;
  void check_key(const Request& request) const;

  const GateOptions options_;
  std::string bound_host_;
  bool any_address_ = false;
};

// "[::1]:7860" is "::1", in lower case; empty when it is none.
std::string host_of(std::string_view authority);
// In a time that depends on the lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace greenroom::server
