#include "server/server.h"

#include <spdlog/fmt/fmt.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "server/context.h"
#include "server/gate.h"
#include "server/http_server.h"
#include "server/router.h"

namespace greenroom::server {

struct Server::Parts {
  Parts(app::Engine& engine, ServerOptions given)
      : options(std::move(given)),
        gate({options.api_key, options.allowed_hosts}),
        http(router, gate, options.limits,
             [&engine](const std::string& route, const std::string& method, int status, double seconds) {
               engine.metrics().observe_request(route, method, status, seconds);
             }),
        context{engine, options, [this] { return http.is_draining(); }} {
    router.set_error_form("/v1/", openai_error);
    router.set_error_form("/v2", kserve_error);
    add_page_routes(router);
    add_health_routes(router, context);
    add_status_routes(router, context);
  }

  const ServerOptions options;
  Router router;
  Gate gate;
  std::optional<Listener> listener;
  HttpServer http;
  Context context;
};

Server::Server(app::Engine& engine, ServerOptions options)
    : parts_(std::make_unique<Parts>(engine, std::move(options))) {}

Server::~Server() = default;

int Server::bind(const std::string& host, int port) {
  Listener listener(host, port);
  if (!listener.is_loopback() && parts_->options.api_key.empty() && !parts_->options.no_auth) {
    throw base::Error(
        base::ErrorCode::kFailedPrecondition,
        fmt::format("{} can be reached by other machines, and no API key is set: start with "
                    "--api-key KEY (or GREENROOM_API_KEY), or say --no-auth to let everybody in",
                    host));
  }
  parts_->gate.set_address(host, listener.is_any());
  parts_->listener.emplace(std::move(listener));
  return parts_->listener->port();
}

void Server::run() {
  parts_->http.run(*parts_->listener);
}

void Server::drain() {
  parts_->http.drain();
}

void Server::stop() {
  parts_->http.stop();
}

void Server::abort() {
  parts_->http.abort();
}

void check_port(const std::string& host, int port) {
  if (port != 0) const Listener listener(host, port);
}

}  // namespace greenroom::server
