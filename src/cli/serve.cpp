#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "app/engine.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/heap_keeper.h"
#include "base/log.h"
#include "cli/commands.h"
#include "server/server.h"
#include "server/webhook.h"

namespace greenroom::cli {
namespace {

// How long running requests may take once the end was asked for.
constexpr std::chrono::seconds kPatience{30};
// Each keeps some tens of MiB of what inferences in its threads once took.
constexpr int kHeaps = 4;
// Work that ended so long ago has given back its memory.
constexpr std::chrono::seconds kLately{5};

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
  options.max_audio_bytes = config.max_audio_bytes;
  options.limits.max_upload_bytes = config.max_upload_bytes;
  options.limits.max_connections = static_cast<std::size_t>(config.max_connections);
  return options;
}

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

// Blocked in every thread, and waited for by one: the program never runs in a handler.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

// What is read when the server starts and never again.
std::vector<std::string> changed_of_server(const app::Config& before, const app::Config& after) {
  std::vector<std::string> names;
  const auto note = [&](const char* name, bool changed) {
    if (changed) names.emplace_back(name);
  };
  note("ui.host", before.host != after.host);
  note("ui.port", before.port != after.port);
  note("ui.api_key", before.api_key != after.api_key);
  note("ui.allowed_hosts", before.allowed_hosts != after.allowed_hosts);
  note("ui.max_upload_mb", before.max_upload_bytes != after.max_upload_bytes);
  note("ui.max_audio_mb", before.max_audio_bytes != after.max_audio_bytes);
  note("ui.max_connections", before.max_connections != after.max_connections);
  note("system.model_roots", before.model_roots != after.model_roots);
  return names;
}

// A last resort, for what does not listen any more: the process ends in a second, if it has not by then.
void end_soon(int status) {
  constexpr std::chrono::seconds kLastPatience{1};
  std::thread([status, kLastPatience] {
    std::this_thread::sleep_for(kLastPatience);
    std::_Exit(status);
  }).detach();
}

// Turns signals into acts: the first SIGINT or SIGTERM ends things in order, the second cuts off what runs,
// SIGHUP reads the configuration again.
class SignalThread {
 public:
  SignalThread(app::Engine& engine, server::Server& server, const sigset_t& signals,
               std::function<app::Config()> reread)
      : engine_(engine), server_(server), signals_(signals), reread_(std::move(reread)), thread_([this] {
          run();
        }) {}
  ~SignalThread() {
    pthread_kill(thread_.native_handle(), SIGUSR1);  // ours, to wake it
    thread_.join();
    if (ending_.joinable()) ending_.join();
  }
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

  // What the process is to end with: 0 after an orderly end.
  int status() const { return status_; }

 private:
  void run() {
    for (;;) {
      int received = 0;
      sigwait(&signals_, &received);
      if (received == SIGUSR1) return;
      if (received == SIGHUP) {
        reload();
      } else if (!ending_.joinable()) {
        say("greenroom ends when what runs is done, at most 30 s from now; the same signal again ends it at "
            "once");
        ending_ = std::thread([this] { end(clock_.now() + kPatience); });
      } else {
        constexpr int kBySignal = 128;  // as a shell counts
        status_ = kBySignal + received;
        base::log(base::LogLevel::kWarning, "serve", "a second signal: what runs is cut off");
        end_soon(status_);
        server_.abort();
        engine_.requests().drain(clock_.now());
      }
    }
  }

  void end(base::Clock::TimePoint deadline) {
    engine_.registry().stop_restoring();
    server_.drain();
    engine_.requests().drain(deadline);
    server_.stop();
  }

  void reload() {
    try {
      const auto fresh = reread_();
      auto later = engine_.reload(fresh);
      const auto more = changed_of_server(engine_.config(), fresh);
      later.insert(later.end(), more.begin(), more.end());
      say(later.empty() ? "the configuration is read again"
                        : fmt::format("the configuration is read again; after a restart only: {}",
                                      fmt::join(later, ", ")));
    } catch (const base::Error& error) {
      base::log(base::LogLevel::kError, "serve",
                fmt::format("{}; the configuration stays as it was", error.what()));
    }
  }

  app::Engine& engine_;
  server::Server& server_;
  const sigset_t signals_;
  const std::function<app::Config()> reread_;
  base::SystemClock clock_;
  std::atomic<int> status_{0};
  std::thread ending_;
  std::thread thread_;
};

}  // namespace

int run_serve(const app::Config& read, const std::function<app::Config()>& reread) {
  const sigset_t signals = block_signals();
  app::Config config = read;
  config.worker_program = "/proc/self/exe";
  base::limit_heaps(kHeaps);
  app::Engine engine(config);
  base::HeapKeeper heap_keeper([&engine] { return engine.requests().quiet_for() < kLately; });
  const auto frees = engine.events().subscribe([&heap_keeper](const core::Event& event) {
    const bool is_gone =
        event.type == core::EventType::kUnloadCompleted || event.type == core::EventType::kEvicted;
    if (is_gone) heap_keeper.freed();
  });
  if (config.monitoring.enabled) start_monitoring(engine);
  server::Server server(engine, options_of(config));
  const int port = server.bind(config.host, config.port);
  say(fmt::format("greenroom {} serves on http://{}:{} (Ctrl-C stops it)", kVersion, config.host, port));
  engine.auto_management().start();
  // Beside serving: what was kept loaded may take a while to come back.
  std::thread restorer([&] { engine.registry().restore(config.restore); });
  int status = 0;
  {
    const SignalThread waiter(engine, server, signals, reread);
    server.run();
    status = waiter.status();
  }
  engine.registry().stop_restoring();
  restorer.join();
  return status;
}

}  // namespace greenroom::cli
