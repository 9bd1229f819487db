#include "server/server.h"

#include <spdlog/fmt/fmt.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "server/audio_services.h"
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
        roots(options.model_roots, engine.config()),
        board(engine),
        loads(engine, board),
        events(engine, board, {.version = options.version, .max_clients = options.max_event_clients}),
        context{engine, options, roots, board, loads, events, [this] { return http.is_draining(); }},
        audio(engine, options, [this](base::Json job) { events.publish("job", std::move(job)); }) {
    router.set_error_form("/v1/", openai_error);
    add_page_routes(router);
    for (const auto add :
         {add_health_routes, add_status_routes, add_history_routes, add_model_routes, add_browse_routes,
          add_plan_routes, add_task_routes, add_hold_routes, add_setting_routes, add_kserve_routes}) {
      add(router, context);
    }
    add_voice_routes(router, audio);
    add_job_routes(router, context, audio);
    add_convert_routes(router, context, audio);
    add_speak_routes(router, context, audio);
    add_openai_routes(router, context, audio);
  }

  const ServerOptions options;
  Router router;
  Gate gate;
  std::optional<Listener> listener;
  HttpServer http;
  ModelRoots roots;
  ModelBoard board;
  ModelLoads loads;
  EventStream events;
  Context context;
  AudioServices audio;
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

std::vector<std::string> Server::routes() const {
  std::vector<std::string> result;
  for (const auto& route : parts_->router.routes()) result.push_back(route.method + " " + route.pattern);
  return result;
}

void Server::drain() {
  parts_->http.drain();
  parts_->loads.close();
}

void Server::stop() {
  parts_->http.stop();
  parts_->events.close();
}

void Server::abort() {
  parts_->events.close();
  parts_->http.abort();
}

void check_port(const std::string& host, int port) {
  if (port != 0) const Listener listener(host, port);
}

}  // namespace greenroom::server
