#include <httplib.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "server/page.h"
#include "server/server.h"
#include "server/wire.h"

namespace greenroom::server {
namespace {

constexpr int kNotFound = 404;
constexpr int kServerError = 500;
constexpr int kKeepAliveSeconds = 1;  // also how long stop() may wait for an idle browser

// The paths that are served; any other is counted as one.
constexpr std::array<std::string_view, 4> kRoutes = {"/", "/healthz", "/metrics", "/api/v1/status"};

// A request stays in the thread that read it.
thread_local std::chrono::steady_clock::time_point request_began;

void measure_requests(httplib::Server& server, app::EngineMetrics& metrics) {
  server.set_pre_routing_handler([](const httplib::Request&, httplib::Response&) {
    request_began = std::chrono::steady_clock::now();
    return httplib::Server::HandlerResponse::Unhandled;
  });
  server.set_logger([&metrics](const httplib::Request& request, const httplib::Response& response) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - request_began;
    const bool known = std::find(kRoutes.begin(), kRoutes.end(), request.path) != kRoutes.end();
    metrics.observe_request(known ? request.path : "other", known ? request.method : "", response.status,
                            passed.count());
  });
}

// httplib would share the port with whoever else listens on it.
void keep_port_to_ourselves(httplib::Server& server) {
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
}

[[noreturn]] void fail_to_bind(const std::string& host, int port) {
  throw base::Error(
      base::ErrorCode::kUnavailable,
      fmt::format("cannot listen on {}:{}: {}; is another program using the port? Choose one with --port",
                  host, port, std::strerror(errno)));
}

std::string dump(const base::Json& json) {
  return json.dump(2, ' ', false, base::Json::error_handler_t::replace) + "\n";
}

}  // namespace

struct Server::Http {
  httplib::Server server;
  enum class Stage { kIdle, kRunning, kEnded };
  std::atomic<Stage> stage = Stage::kIdle;
  std::atomic<bool> stop_asked = false;
};

Server::Server(const app::Engine& engine, const std::string& version) : http_(std::make_unique<Http>()) {
  auto& server = http_->server;
  keep_port_to_ourselves(server);
  server.set_keep_alive_timeout(kKeepAliveSeconds);
  measure_requests(server, engine.metrics());
  server.Get("/metrics", [&engine](const httplib::Request&, httplib::Response& response) {
    response.set_content(engine.metrics().render(), "text/plain; version=0.0.4; charset=utf-8");
  });
  server.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", "text/plain; charset=utf-8");
  });
  server.Get("/api/v1/status", [&engine, version](const httplib::Request&, httplib::Response& response) {
    response.set_content(dump(to_json(engine.status(), version)), "application/json");
  });
  server.Get("/", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(page_html(), "text/html; charset=utf-8");
  });
  server.set_exception_handler([](const httplib::Request& request, httplib::Response& response,
                                  const std::exception_ptr& pointer) {
    std::string message = "unknown error";
    try {
      std::rethrow_exception(pointer);
    } catch (const std::exception& error) {
      message = error.what();
    } catch (...) {
      message = "an exception of unknown type";
    }
    base::log(base::LogLevel::kError, "server", fmt::format("{}: {}", request.path, message));
    response.status = kServerError;
    response.set_content(dump({{"error", {{"code", "internal"}, {"message", message}}}}), "application/json");
  });
  server.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
    if (!response.body.empty()) return;
    const std::string message = response.status == kNotFound
                                    ? fmt::format("there is nothing at {}", request.path)
                                    : fmt::format("HTTP status {}", response.status);
    response.set_content(dump({{"error",
                                {{"code", response.status == kNotFound ? "not_found" : "invalid_argument"},
                                 {"message", message}}}}),
                         "application/json");
  });
}

Server::~Server() = default;

int Server::bind(const std::string& host, int port) {
  if (port == 0) {
    const int chosen = http_->server.bind_to_any_port(host);
    if (chosen > 0) return chosen;
  } else if (http_->server.bind_to_port(host, port)) {
    return port;
  }
  fail_to_bind(host, port);
}

void Server::run() {
  http_->stage = Http::Stage::kRunning;
  if (!http_->stop_asked) http_->server.listen_after_bind();
  http_->stage = Http::Stage::kEnded;
}

void Server::stop() {
  if (http_->stop_asked.exchange(true)) return;
  // httplib forgets a stop() that comes before its loop runs, so wait out the moment between run()'s look at
  // stop_asked and that.
  while (http_->stage == Http::Stage::kRunning && !http_->server.is_running()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (http_->stage == Http::Stage::kRunning) http_->server.stop();
}

void check_port(const std::string& host, int port) {
  httplib::Server server;
  keep_port_to_ourselves(server);
  if (port == 0 || server.bind_to_port(host, port)) return;
  fail_to_bind(host, port);
}

}  // namespace greenroom::server
