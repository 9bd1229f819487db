// Answers the requests of one connection, one after the other.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "server/connection.h"
#include "server/gate.h"
#include "server/http_body.h"
#include "server/router.h"

namespace greenroom::server {

struct HttpLimits {
  std::size_t max_connections = 512;                          // beyond it: 503
  std::chrono::nanoseconds head = std::chrono::seconds(10);   // for a request's head to be there, whole
  std::chrono::nanoseconds idle = std::chrono::seconds(60);   // between two requests
  std::chrono::nanoseconds write = std::chrono::seconds(30);  // without the client taking anything
  std::chrono::nanoseconds linger = std::chrono::seconds(2);  // for a refused client to stop sending
  BodyPace body;
  std::uint64_t max_json_bytes = 1U << 20;
  std::uint64_t max_upload_bytes = 512U << 20;
};

// Borrowed parts that all sessions share. Thread-safe.
struct Service {
  const Router& router;
  const Gate& gate;
  const HttpLimits& limits;
  const std::atomic<bool>& draining;  // no new work
  const std::atomic<bool>& stopping;  // no new requests
  // `route` is a pattern of the router, or "other", with an empty `method` then.
  std::function<void(const std::string& route, const std::string& method, int status, double seconds)>
      observe;
};

// Not thread-safe; lives in the connection's thread.
class HttpSession {
 public:
  HttpSession(Connection& connection, const Service& service) : connection_(connection), service_(service) {}

  // Until the connection ends.
  void run();
  // Reads one request and answers that there are too many connections.
  void refuse();

 private:
  class Writer;
  struct Exchange {
    Request request;
    const Route* route = nullptr;
    bool is_read = false;  // all of it: another one may follow
    std::chrono::steady_clock::time_point began;
  };

  bool serve_one();  // false: the connection ends
  Response answer(Exchange& exchange);
  void read_body(Exchange& exchange);
  void read_form(Request& request, BodyReader& reader);
  ErrorForm error_form(const Exchange& exchange) const;
  // False: the connection cannot go on.
  bool send(const Exchange& exchange, Response& response, bool keep);
  bool send_file(const Exchange& exchange, Response& response, bool keep);
  bool send_stream(const Exchange& exchange, Response& response, bool keep);
  bool send_head(const Exchange& exchange, const Response& response, bool keep, std::string_view with = {});
  void note(const Exchange& exchange, int status) const;

  Connection& connection_;
  const Service& service_;
};

}  // namespace greenroom::server
