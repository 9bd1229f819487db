#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "app/engine.h"
#include "audio/file.h"
#include "base/json.h"
#include "base/process.h"
#include "cli/program.h"
#include "support/http_get.h"
#include "support/temp_dir.h"

namespace greenroom {
namespace {

using test::Program;
using testing::AllOf;
using testing::HasSubstr;

// Once it says "greenroom 0.1.0 serves on http://127.0.0.1:43211 (...)"; -1 when it does not.
int port_of(const Program& program) {
  const std::string before = "serves on http://127.0.0.1:";
  if (!program.wait_for("Ctrl-C")) return -1;
  const std::string line = program.out();
  const auto at = line.find(before);
  return at == std::string::npos ? -1 : std::stoi(line.substr(at + before.size()));
}

TEST(Serve, IsWhatAProgramWithoutCommandDoes) {
  Program program({"--port", "0", "--memory-budget", "cpu=1GiB"}, {"GREENROOM_MODELS_LIBRARY=/nonexistent"});
  const int port = port_of(program);
  ASSERT_GT(port, 0) << program.wait().err;
  EXPECT_EQ(test::http_get(port, "/healthz").status, 200);
  const auto status = base::parse_json(test::http_get(port, "/api/v1/status").body, "status");
  EXPECT_EQ(status["version"], GREENROOM_VERSION);
  EXPECT_EQ(status["devices"][0]["ledger"]["capacity"], 1U << 30);
  EXPECT_GE(status["uptime_seconds"], 0);
  program.send(SIGTERM);
  EXPECT_EQ(program.wait().status, 0);
}

TEST(Serve, StopsCleanlyOnBothSignals) {
  for (const int signal : {SIGINT, SIGTERM}) {
    Program program({"serve", "--port", "0"});
    ASSERT_GT(port_of(program), 0);
    program.send(signal);
    const auto outcome = program.wait();
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.signal, 0);
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(Serve, ABusyPortIsOneMessage) {
  Program first({"serve", "--port", "0"});
  const int port = port_of(first);
  ASSERT_GT(port, 0);
  const auto second = test::run_program({"serve", "--port", std::to_string(port)});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, AllOf(HasSubstr(std::to_string(port)), HasSubstr("in use"), HasSubstr("--port")));
}

TEST(Serve, StartsWithADamagedStateAndSaysWhatBecameOfIt) {
  const test::TempDir cache;
  std::filesystem::create_directory(cache / "greenroom");
  cache.write("greenroom/state.db",
              "no database, and long enough to be taken for one: " + std::string(200, 'x'));
  Program program({"--port", "0"}, {"XDG_CACHE_HOME=" + cache.path().string()});
  const int port = port_of(program);
  ASSERT_GT(port, 0) << program.wait().err;
  const auto status = base::parse_json(test::http_get(port, "/api/v1/status").body, "status");
  ASSERT_EQ(status["state_problems"].size(), 1U);
  program.send(SIGTERM);
  EXPECT_THAT(program.wait().err, HasSubstr("state.db.damaged-1"));
}

#if GREENROOM_HAVE_TORCH
// Asks the server until it says that this model is loaded; false when it never does.
bool await_loaded(int port, const std::string& id) {
  for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
       std::chrono::steady_clock::now() < end;) {
    const auto status = base::parse_json(test::http_get(port, "/api/v1/status").body, "status");
    for (const auto& model : status["models"]) {
      if (model["id"] == id && model["status"] == "loaded") return true;
    }
  }
  return false;
}

TEST(Serve, WhatIsToBeKeptLoadedComesBackAfterKillNine) {
  const test::TempDir cache;
  app::Config config;
  config.cache_dir = cache / "greenroom";
  std::string id;
  {
    app::Engine engine(config);
    id = engine.registry().add(test::demo_models() / "alto", "cpu");
    engine.registry().keep(id, {.pinned = true});
    engine.registry().add(test::demo_models() / "tenor", "cpu");
  }
  for (int i = 0; i < 2; ++i) {
    Program program({"--port", "0"}, {"XDG_CACHE_HOME=" + cache.path().string()});
    const int port = port_of(program);
    ASSERT_GT(port, 0) << program.wait().err;
    EXPECT_TRUE(await_loaded(port, id));
    program.send(SIGKILL);
    EXPECT_EQ(program.wait().signal, SIGKILL);
  }
  app::Engine engine(config);
  EXPECT_TRUE(engine.registry().find(id)->pinned);
  const auto events = engine.history().query({.model_id = id, .type = "load_started"});
  EXPECT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].model_type, "ddsp_svc");
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int worker_pid(int port) {
  const auto status = base::parse_json(test::http_get(port, "/api/v1/status").body, "status");
  return status["workers"].empty() ? 0 : status["workers"][0]["pid"].get<int>();
}

TEST(Serve, AModelComesBackWhenItsWorkerIsKilledAndTheWorkerGoesWithTheServer) {
  const test::TempDir cache;
  const std::string model = test::demo_models() / "alto";
  const std::string input = cache / "in.wav";
  audio::write_file(input, {std::vector<float>(16000, 0.1F), 16000});
  Program program({"--port", "0", "--model-root", test::demo_models()},
                  {"XDG_CACHE_HOME=" + cache.path().string()});
  const int port = port_of(program);
  ASSERT_GT(port, 0) << program.wait().err;
  const auto convert = [&](const std::string& name) {
    const auto outcome =
        test::run_program({"--port", std::to_string(port), "convert", "--model", model, input, cache / name},
                          {"GREENROOM_LOCAL="});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("by the daemon"));
  };
  convert("before.wav");
  const int first = worker_pid(port);
  ASSERT_GT(first, 0);
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  convert("after.wav");
  const int second = worker_pid(port);
  EXPECT_NE(second, first);
  EXPECT_EQ(read_all(cache / "before.wav"), read_all(cache / "after.wav"));
  const auto local = test::run_program({"convert", "--local", "--model", model, input, cache / "local.wav"});
  EXPECT_EQ(local.status, 0) << local.err;
  EXPECT_EQ(read_all(cache / "before.wav"), read_all(cache / "local.wav"));
  EXPECT_THAT(test::http_get(port, "/metrics").body,
              HasSubstr("greenroom_worker_deaths_total{device=\"cpu\"} 1"));

  program.send(SIGKILL);
  program.wait();
  while (base::process_start(second)) std::this_thread::yield();  // it sees the end of the line
}
#endif

}  // namespace
}  // namespace greenroom
