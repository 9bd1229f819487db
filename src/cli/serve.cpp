#include <spdlog/fmt/fmt.h>

#include <csignal>
#include <thread>

#include "app/engine.h"
#include "cli/commands.h"
#include "server/server.h"
#include "server/webhook.h"

namespace greenroom::cli {
namespace {

void start_monitoring(app::Engine& engine) {
  const std::string url = engine.config().monitoring.webhook_url;
  if (!url.empty()) {
    engine.monitoring().monitor().add_alert_callback(
        [url](const monitor::MemoryAlert& alert) { server::post_alert(url, alert); });
  }
  engine.monitoring().start();
}

server::ServerOptions options_of(const app::Config& config) {
  server::ServerOptions options;
  options.version = kVersion;
  options.api_key = config.api_key;
  options.no_auth = config.no_auth;
  options.allowed_hosts = config.allowed_hosts;
  options.model_roots = config.model_roots;
  options.limits.max_upload_bytes = config.max_upload_bytes;
  options.limits.max_connections = static_cast<std::size_t>(config.max_connections);
  return options;
}

}  // namespace

int run_serve(const app::Config& config) {
  // Signals are taken by one thread that waits for them, so the rest of the program never runs in a handler.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGUSR1);  // ours, to wake the waiter
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  app::Engine engine(config);
  if (config.monitoring.enabled) start_monitoring(engine);
  server::Server server(engine, options_of(config));
  const int port = server.bind(config.host, config.port);
  fmt::print("greenroom {} serves on http://{}:{} (Ctrl-C stops it)\n", kVersion, config.host, port);
  std::fflush(stdout);
  engine.auto_management().start();
  // Beside serving: what was kept loaded may take a while to come back.
  std::thread restorer([&] { engine.registry().restore(config.restore); });
  std::thread waiter([&] {
    int received = 0;
    sigwait(&signals, &received);
    server.stop();
  });
  server.run();
  pthread_kill(waiter.native_handle(), SIGUSR1);  // when run() ended on its own
  waiter.join();
  engine.registry().stop_restoring();
  restorer.join();
  return 0;
}

}  // namespace greenroom::cli
