// The engine over workers: what a user sees of a worker that dies.
#include "app/engine.h"

#include <csignal>
#include <random>
#include <thread>

#include "worker/fixture.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;
using test::error_of;
using testing::HasSubstr;
using worker::demo_folder;
using worker::kCpu;

Config config_with_workers() {
  Config config;
  config.pretrain_dir = demo_folder() / "pretrain";
  config.device = "cpu";
  config.worker_program = worker::kWorkerProgram;
  return config;
}

const audio::Buffer kInput{{0.5F, 0.25F, -1}, 8000};
const std::vector<float> kOutput{-1, 0.25F, 0.5F};

int worker_pid(const Engine& engine) {
  for (const auto& worker : engine.workers()) {
    if (worker.device == kCpu) return worker.pid;
  }
  return 0;
}

// Returns once the worker of that pid counts as dead.
void await_death(const Engine& engine, int pid) {
  while (worker_pid(engine) == pid) std::this_thread::yield();
}

models::ConvertResult convert(Engine& engine, const std::string& id, const std::string& order = "") {
  models::ConvertOptions options;
  options.f0_extractor = order;
  return engine.convert(id, kInput, options, {});
}

TEST(EngineWithWorkers, ConvertsInAWorkerAndKeepsItsBooks) {
  Engine engine(config_with_workers());
  const auto id = engine.load_model(demo_folder() / "alto", "auto");
  const auto info = engine.model_info(id);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->bytes, engine.estimate_bytes(demo_folder() / "alto"));
  EXPECT_EQ(convert(engine, id).audio.samples, kOutput);
  EXPECT_EQ(engine.workers().at(0).held, 4U);
  engine.unload(id, false);
  EXPECT_EQ(engine.workers().at(0).held, 0U);
  EXPECT_EQ(engine.status().devices.at(0).ledger.used(), 0U);
}

TEST(EngineWithWorkers, AKilledWorkerTakesItsBytesOutOfTheBooksAndTheModelComesBackWithItsHolds) {
  Engine engine(config_with_workers());
  const auto held = engine.load_model(demo_folder() / "alto", "auto");
  const auto idle = engine.load_model(demo_folder() / "tenor", "auto");
  engine.requests().poke();
  const auto used = engine.status().devices.at(0).ledger.used();
  const int pid = worker_pid(engine);
  ::kill(pid, SIGKILL);
  await_death(engine, pid);
  // Nobody looks after lost models here: auto management is not running.
  while (engine.status().devices.at(0).ledger.used() > 0) std::this_thread::yield();
  const auto lost = engine.model_info(held);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->status, core::ModelStatus::kError);
  EXPECT_THAT(lost->error, HasSubstr("signal 9"));
  EXPECT_EQ(lost->holds, 1);
  EXPECT_EQ(lost->bytes, 0U);

  engine.auto_management().run_once();
  EXPECT_EQ(engine.model_info(held)->status, core::ModelStatus::kLoaded);
  EXPECT_EQ(engine.model_info(held)->holds, 1);
  EXPECT_EQ(engine.model_info(idle)->status, core::ModelStatus::kLoaded);
  EXPECT_EQ(engine.status().devices.at(0).ledger.used(), used);
  EXPECT_EQ(convert(engine, held).audio.samples, kOutput);
  engine.unload(held, false);
  engine.unload(idle, false);
  EXPECT_EQ(engine.status().devices.at(0).ledger.used(), 0U);
}

TEST(EngineWithWorkers, ARunWhoseWorkerDiesIsDoneAgainByAnother) {
  Engine engine(config_with_workers());
  engine.auto_management().start();
  const auto id = engine.load_model(demo_folder() / "alto", "auto");
  const int pid = worker_pid(engine);
  std::thread killer;
  models::ConvertOptions options;
  options.f0_extractor = "wait";
  // Only the first attempt waits to be killed; the flag then lets the others end.
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  models::RunControl control;
  std::atomic<bool> killed{false};
  control.progress = [&](double) {
    if (!killed.exchange(true))
      ::kill(pid, SIGKILL);
    else if (worker_pid(engine) != pid)
      *cancelled = true;
  };
  control.cancelled = cancelled;
  EXPECT_EQ(error_of([&] { engine.convert(id, kInput, options, control); }).code(), ErrorCode::kCancelled);
  EXPECT_NE(worker_pid(engine), pid);
  EXPECT_EQ(convert(engine, id).audio.samples, kOutput);
}

TEST(EngineWithWorkers, ARunThatKillsEveryWorkerFailsAndTheNextOneIsFine) {
  Engine engine(config_with_workers());
  engine.auto_management().start();
  const auto id = engine.load_model(demo_folder() / "alto", "auto");
  const auto error = error_of([&] { convert(engine, id, "abort"); });
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("signal 6"));
  EXPECT_EQ(convert(engine, id).audio.samples, kOutput);
}

TEST(EngineWithWorkers, NoRequestIsLostWhileWorkersAreKilledAtRandom) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr int kKills = 40;
#else
  constexpr int kKills = 200;
#endif
  constexpr int kClients = 4;
  auto config = config_with_workers();
  config.queue.concurrency = kClients;
  Engine engine(config);
  engine.auto_management().start();
  const std::vector<std::string> ids = {engine.load_model(demo_folder() / "alto", "auto"),
                                        engine.load_model(demo_folder() / "tenor", "auto")};
  std::atomic<bool> over{false};
  std::atomic<int> right{0};
  std::atomic<int> failed{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      while (!over) {
        try {
          const auto result = convert(engine, ids[client % ids.size()]);
          ++(result.audio.samples == kOutput ? right : wrong);
        } catch (const Error& error) {
          // What may pass, and says why.
          ++(error.code() == ErrorCode::kUnavailable && *error.what() != 0 ? failed : wrong);
        }
      }
    });
  }
  std::minstd_rand random(1);
  for (int kill = 0; kill < kKills; ++kill) {
    // One that was of use: those that never are would be started less and less often.
    const int enough = right + 1 + static_cast<int>(random() % 5);
    while (right < enough) std::this_thread::yield();
    int pid = 0;
    while ((pid = worker_pid(engine)) == 0) std::this_thread::yield();
    ::kill(pid, SIGKILL);
    await_death(engine, pid);
  }
  over = true;
  for (auto& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(right, kKills / 4);
  RecordProperty("right", right);
  RecordProperty("failed", failed);
  EXPECT_EQ(engine.workers().at(0).deaths, kKills);
  for (const auto& id : ids) {
    EXPECT_EQ(convert(engine, id).audio.samples, kOutput);
    engine.unload(id, false);
  }
  engine.auto_management().stop();
  EXPECT_EQ(engine.status().devices.at(0).ledger.used(), 0U);
  EXPECT_EQ(engine.workers().at(0).held, 0U);
}

TEST(EngineWithWorkers, WithoutAProgramModelsRunHere) {
  Config config = config_with_workers();
  config.worker_program.clear();
  const test::ScopedVariable library("GREENROOM_MODELS_LIBRARY", "/no/such/library.so");
  Engine engine(config);
  EXPECT_TRUE(engine.workers().empty());
  EXPECT_THAT(error_of([&] { engine.load_model(demo_folder() / "alto", "auto"); }).what(),
              HasSubstr("/no/such/library.so"));
}

}  // namespace
}  // namespace greenroom::app
