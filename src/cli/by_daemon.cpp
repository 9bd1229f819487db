#include "cli/by_daemon.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "checkpoint/atomic_file.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"

namespace greenroom::cli {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& bytes) {
  checkpoint::write_atomically(path, [&](const fs::path& temporary) {
    std::ofstream stream(temporary, std::ios::binary);
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!stream.flush()) {
      throw base::Error(base::ErrorCode::kUnavailable,
                        fmt::format("{}: could not be written; is the disk full?", path.string()));
    }
  });
}

}  // namespace

std::string named_server() {
  const char* named = std::getenv("GREENROOM_SERVER");
  return named == nullptr ? "" : named;
}

std::string configured_server(const app::Config& config) {
  const bool any = config.host == "0.0.0.0" || config.host == "::";
  const bool v6 = config.host.find(':') != std::string::npos;
  const std::string host = any ? "127.0.0.1" : v6 ? "[" + config.host + "]" : config.host;
  return fmt::format("http://{}:{}", host, config.port);
}

Daemon find_daemon(const app::Config& config, bool local, const std::string& model) {
  const char* variable = std::getenv("GREENROOM_LOCAL");
  if (local || (variable != nullptr && *variable != 0)) return {};
  const auto named = named_server();
  auto client = std::make_unique<server::AudioClient>(named.empty() ? configured_server(config) : named,
                                                      config.api_key);
  if (!client->is_there()) {
    if (named.empty()) return {};
    throw base::Error(
        base::ErrorCode::kUnavailable,
        fmt::format("no greenroom answers at {}, which GREENROOM_SERVER names: start one there, "
                    "unset the variable, or do it here with --local",
                    named));
  }
  try {
    auto id = client->model(model);
    return {std::move(client), std::move(id)};
  } catch (const base::Error& error) {
    fmt::print(stderr, "greenroom: the daemon at {} does not take {} ({}); running here\n", client->url(),
               model, error.what());
    return {};
  }
}

int run_by_daemon(Daemon& daemon, server::AudioJob job, const std::string& what, const fs::path& output,
                  bool timings) {
  using Seconds = std::chrono::duration<double>;
  job.fields.emplace_back("model", daemon.model);
  job.fields.emplace_back("response_format", output.extension() == ".flac" ? "flac" : "wav");
  const auto cancelled = cancel_on_interrupt();
  const auto started = std::chrono::steady_clock::now();
  server::AudioAnswer answer;
  {
    ProgressBar bar(what);
    answer = daemon.client->run(
        job, [&](double done) { bar.show(done); }, *cancelled);
  }
  const double elapsed = Seconds(std::chrono::steady_clock::now() - started).count();
  write(output, answer.bytes);
  const auto& result = answer.result;
  for (const auto& notice : result.at("notices")) {
    fmt::print(stderr, "greenroom: {}\n", notice.get<std::string>());
  }
  const double seconds = result.at("seconds").get<double>();
  fmt::print("{}: {:.2f} s of audio in {:.2f} s (real-time factor {:.2f}), by the daemon at {}\n",
             output.string(), seconds, elapsed, seconds > 0 ? elapsed / seconds : 0, daemon.client->url());
  if (!timings) return 0;
  for (const auto& [stage, time] : result.at("stage_times").items()) {
    fmt::print("  {:<12} {:8.3f} s  real-time factor {:.3f}\n", stage, time.get<double>(),
               time.get<double>() / seconds);
  }
  return 0;
}

std::string number_text(double value) {
  char text[32];
  return {std::begin(text), std::to_chars(std::begin(text), std::end(text), value).ptr};
}

}  // namespace greenroom::cli
