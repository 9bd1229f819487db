// Two real voices through the real manager: what is shared, what is counted, what comes back.
#include "app/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "app/catalog.h"
#include "app/cost_document.h"
#include "app/state_store.h"
#include "base/error.h"
#include "models/ddsp_svc/demo.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

class EngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempDir;
    models::ddsp_svc::write_demo_models(folder_->path(), {});
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::filesystem::path voice(const char* name) { return folder_->path() / name / "model_0.pt"; }

  static audio::Buffer tone(double seconds) {
    audio::Buffer buffer{std::vector<float>(static_cast<std::size_t>(seconds * 44100)), 44100};
    for (std::size_t i = 0; i < buffer.samples.size(); ++i) {
      buffer.samples[i] = 0.2F * static_cast<float>(std::sin(0.02 * static_cast<double>(i)));
    }
    return buffer;
  }

  static Config config() {
    Config config;
    config.device = "cpu";
    return config;
  }

  static DeviceStatus cpu(const Engine& engine) { return engine.status().devices.at(0); }

  static test::TempDir* folder_;
};

test::TempDir* EngineTest::folder_ = nullptr;

TEST_F(EngineTest, TwoVoicesShareThreeComponentsAndCountThemOnce) {
  Engine engine(config());
  engine.load_model(voice("alto"), "cpu");
  engine.load_model(voice("tenor"), "cpu");
  const auto device = cpu(engine);
  ASSERT_EQ(device.components.size(), 5U);
  std::uint64_t sum = 0;
  int shared = 0;
  for (const auto& component : device.components) {
    sum += component.bytes;
    shared += component.holders.size() == 2 ? 1 : 0;
  }
  EXPECT_EQ(shared, 3);
  EXPECT_EQ(device.ledger.resident, sum);
}

std::size_t threads_of_this_process() {
  namespace fs = std::filesystem;
  return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/task"), {}));
}

// Each run has threads of its own: with all cores for both there would be twice as many as cores.
TEST_F(EngineTest, RunsSideBySideShareTheCores) {
  constexpr std::size_t kRuns = 2;
  auto settings = config();
  settings.queue.concurrency = kRuns;
  Engine engine(settings);
  for (const char* name : {"alto", "tenor"}) engine.load_model(voice(name), "cpu");
  std::atomic<std::size_t> most{0};
  std::barrier together(kRuns);
  const std::size_t before = threads_of_this_process();
  std::vector<std::thread> runs;
  for (const char* name : {"alto", "tenor"}) {
    runs.emplace_back([&, name] {
      models::RunControl control;
      bool met = false;
      control.progress = [&](double) {
        if (!std::exchange(met, true)) together.arrive_and_wait();
        most = std::max(most.load(), threads_of_this_process());
      };
      engine.convert(voice(name).string(), tone(1), {}, control);
      most = std::max(most.load(), threads_of_this_process());
      together.arrive_and_wait();
    });
  }
  for (auto& run : runs) run.join();
  EXPECT_LE(most - before, std::max<std::size_t>(kRuns, std::thread::hardware_concurrency()));
}

TEST_F(EngineTest, WhatIsLoadedIsWhatWasEstimatedToTheByte) {
  const auto description = describe_voice(voice("alto"), {});
  Engine engine(config());
  engine.load_model(voice("alto"), "cpu");
  std::multiset<std::uint64_t> estimated;
  std::multiset<std::uint64_t> resident;
  for (const auto& spec : description.components) estimated.insert(spec.bytes);
  for (const auto& component : cpu(engine).components) resident.insert(component.bytes);
  EXPECT_EQ(resident, estimated);
}

TEST_F(EngineTest, FilesWithTheSameBytesAreLoadedOnceUnlessToldOtherwise) {
  const test::TempDir copy;
  std::filesystem::copy(folder_->path(), copy.path(), std::filesystem::copy_options::recursive);
  const auto tenor = copy.path() / "tenor" / "model_0.pt";
  for (const bool share : {true, false}) {
    auto settings = config();
    settings.share_equal_files = share;
    Engine engine(settings);
    engine.load_model(voice("alto"), "cpu");
    engine.load_model(tenor, "cpu");
    EXPECT_EQ(cpu(engine).components.size(), share ? 5U : 8U);
  }
}

TEST_F(EngineTest, UnloadingOneVoiceKeepsWhatTheOtherShares) {
  Engine engine(config());
  const auto alto = engine.load_model(voice("alto"), "cpu");
  const auto tenor = engine.load_model(voice("tenor"), "cpu");
  engine.unload(alto, /*force=*/false);
  EXPECT_EQ(cpu(engine).components.size(), 4U);
  engine.unload(tenor, /*force=*/true);
  EXPECT_EQ(cpu(engine).ledger.used(), 0U);
}

TEST_F(EngineTest, ConversionGivesItsWorkspaceBack) {
  Engine engine(config());
  const auto id = engine.load_model(voice("alto"), "cpu");
  const auto before = cpu(engine).ledger.used();
  const auto result = engine.convert(id, tone(1.0), {}, {});
  EXPECT_EQ(cpu(engine).ledger.used(), before);
  EXPECT_NEAR(result.audio.seconds(), 1.0, 0.02);
  EXPECT_GT(result.peak_workspace_bytes, 0U);
}

TEST_F(EngineTest, LearnsTheWorkspaceOfItsRunsAndKeepsItAcrossRestarts) {
  const test::TempDir cache;
  auto kept = config();
  kept.cache_dir = cache.path();
  {
    Engine engine(kept);
    const auto id = engine.load_model(voice("alto"), "cpu");
    for (std::size_t i = 0; i < core::WorkspaceProfile::kFewest; ++i) engine.convert(id, tone(1.0), {}, {});
  }
  StateStore store(cache.path() / "state.db");
  const auto document = store.get(StateStore::Kind::kLearntCost, "workspace");
  ASSERT_TRUE(document);
  core::WorkspaceProfile profile;
  profile.learn(learnt_workspace_from(*document));
  std::size_t stages = 0;
  for (const auto& learnt : profile.learnt()) {
    EXPECT_EQ(learnt.kind.rfind("ddsp_svc/", 0), 0u) << learnt.kind;
    ASSERT_EQ(learnt.samples.size(), core::WorkspaceProfile::kFewest) << learnt.kind;
    const auto& sample = learnt.samples.front();
    EXPECT_GT(sample.peak_bytes, 0u);
    // What is reserved next time is close to what was used.
    const auto estimate = profile.estimate(learnt.kind, sample.features, 1ull << 40);
    EXPECT_LT(estimate.bytes, sample.peak_bytes * 2) << learnt.kind;
    ++stages;
  }
  EXPECT_EQ(stages, 2u);
}

TEST_F(EngineTest, APlanAsksForTheWorkspaceThatAdmissionWouldAskFor) {
  const test::TempDir cache;
  auto kept = config();
  kept.cache_dir = cache.path();
  PlanQuestion question;
  question.device = "cpu";
  question.convert_seconds = 1.0;
  const auto plan_of_run = [&](Engine& engine) {  // the weights are there, so it is the workspace alone
    question.load = {engine.load_model(voice("alto"), "cpu")};
    return engine.plan(question).needed_bytes;
  };
  std::uint64_t computed = 0;
  {
    Engine engine(kept);
    computed = plan_of_run(engine);
    for (std::size_t i = 0; i < core::WorkspaceProfile::kFewest; ++i) {
      engine.convert(question.load.front(), tone(1.0), {}, {});
    }
  }
  core::WorkspaceProfile profile;
  const auto document =
      StateStore(cache.path() / "state.db").get(StateStore::Kind::kLearntCost, "workspace").value();
  profile.learn(learnt_workspace_from(document));
  std::uint64_t largest = 0;
  for (const auto& kind : profile.learnt()) {
    largest =
        std::max(largest, profile.estimate(kind.kind, {.audio_seconds = 1.0}, std::uint64_t{1} << 40).bytes);
  }
  Engine engine(kept);
  const auto learnt = plan_of_run(engine);
  EXPECT_LT(learnt, computed) << "what was measured is less than the bound";
  EXPECT_EQ(learnt, largest) << "the same figure as a run of that length reserves";
}

TEST_F(EngineTest, WorkspaceThatDoesNotFitIsRefusedBeforeTheWorkAndLosesNothing) {
  auto small = config();
  small.memory_budgets[base::DeviceId{}] = 30 << 20;
  Engine engine(small);
  const auto id = engine.load_model(voice("alto"), "cpu");
  try {
    engine.convert(id, tone(30), {}, {}, {.recover = false});
    FAIL() << "30 s cannot fit beside the weights in 30 MiB";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kResourceExhausted) << error.what();
  }
  EXPECT_EQ(cpu(engine).ledger.workspace, 0U);
  EXPECT_EQ(engine.status().models.at(0).status, core::ModelStatus::kLoaded);
}

TEST_F(EngineTest, ACancelledConversionStopsAndKeepsTheModel) {
  Engine engine(config());
  const auto id = engine.load_model(voice("alto"), "cpu");
  const auto cancelled = std::make_shared<std::atomic<bool>>(true);
  try {
    engine.convert(id, tone(1), {}, {{}, cancelled});
    FAIL() << "it was cancelled before it began";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kCancelled);
  }
  EXPECT_NO_THROW(engine.convert(id, tone(0.2), {}, {}));
}

TEST_F(EngineTest, ARunningConversionThatIsCancelledLetsGoWithinAStep) {
  Engine engine(config());
  const auto id = engine.load_model(voice("alto"), "cpu");
  RequestOptions request;
  request.id = engine.requests().next_id();
  int steps_after = 0;
  bool cancelled = false;
  const auto progress = [&](double done) {
    if (cancelled) ++steps_after;
    if (done < 0.3 || cancelled) return;
    EXPECT_EQ(engine.status().models.at(0).leases, 2) << "the run and its stage";
    cancelled = engine.requests().cancel(request.id);
  };
  try {
    engine.convert(id, tone(2), {}, {progress, nullptr}, request);
    FAIL() << "it was cancelled";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kCancelled);
  }
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(steps_after, 0);
  EXPECT_EQ(engine.status().models.at(0).leases, 0);
  EXPECT_EQ(cpu(engine).ledger.workspace, 0U);
  EXPECT_FALSE(engine.requests().cancel(request.id));
}

TEST_F(EngineTest, AVoiceThatIsNotLoadedIsLoadedForItsRequestAndLeftIdle) {
  Engine engine(config());
  const auto id = voice("alto").string();
  RequestOptions only_loaded;
  only_loaded.auto_load = false;
  EXPECT_THROW(engine.convert(id, tone(0.2), {}, {}, only_loaded), base::Error);
  EXPECT_GT(engine.convert(id, tone(0.2), {}, {}).audio.samples.size(), 0U);
  const auto model = engine.status().models.at(0);
  EXPECT_EQ(model.status, core::ModelStatus::kLoaded);
  EXPECT_EQ(model.holds, 0);
  const auto stats = engine.requests().stats().at(base::DeviceId{});
  EXPECT_EQ(stats.begun, 1U);
  EXPECT_EQ(stats.running, 0);
}

TEST_F(EngineTest, TwoVoicesThatDoNotFitTogetherTakeTurns) {
  auto small = config();
  Engine probe(config());
  probe.load_model(voice("alto"), "cpu");
  // Room for one voice and its work, not for a second voice's own weights.
  small.memory_budgets[base::DeviceId{}] = cpu(probe).ledger.resident + (10 << 20);
  Engine engine(small);
  std::atomic<int> done = 0;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&, i] {
        try {
          engine.convert(voice(i % 2 == 0 ? "alto" : "tenor").string(), tone(0.2), {}, {});
          ++done;
        } catch (const base::Error& error) {
          ADD_FAILURE() << error.what();
        }
      });
    }
  }
  EXPECT_EQ(done, 4);
  EXPECT_LE(cpu(engine).ledger.used(), cpu(engine).ledger.capacity);
}

TEST_F(EngineTest, ATaskPreloadsTwoVoicesTogetherAndCleansUpAfterThem) {
  auto with_task = config();
  with_task.tasks = {{"duet", {{"ddsp_svc", voice("alto")}, {"ddsp_svc", voice("tenor")}}, {}}};
  Engine engine(with_task);
  const auto preloaded = engine.tasks().preload_for_task("duet");
  EXPECT_EQ(preloaded.required.size(), 2U);
  EXPECT_EQ(cpu(engine).components.size(), 5U);
  EXPECT_EQ(cpu(engine).ledger.resident, preloaded.bytes);
  EXPECT_GT(engine.convert(preloaded.required.at(0), tone(0.2), {}, {}).audio.samples.size(), 0U);
  EXPECT_EQ(engine.tasks().cleanup_for_task("duet"), preloaded.required);
  EXPECT_EQ(cpu(engine).ledger.used(), 0U);
}

TEST_F(EngineTest, ATaskThatDoesNotFitLoadsNothing) {
  auto small = config();
  small.tasks = {{"duet", {{"ddsp_svc", voice("alto")}, {"ddsp_svc", voice("tenor")}}, {}}};
  small.memory_budgets[base::DeviceId{}] = 25 << 20;
  Engine engine(small);
  EXPECT_THROW(engine.tasks().preload_for_task("duet"), base::Error);
  EXPECT_EQ(cpu(engine).ledger.used(), 0U);
}

TEST_F(EngineTest, TheDefaultTasksComeFromTheConfiguration) {
  auto with_voice = config();
  with_voice.ddsp_svc_model = voice("alto");
  Engine engine(with_voice);
  EXPECT_EQ(engine.tasks().preload_for_task("voice_conversion").required.size(), 1U);
  EXPECT_EQ(engine.tasks().preload_for_task("voice_creation").required.size(), 1U);
  try {
    engine.tasks().preload_for_task("voice_synthesis");
    FAIL() << "no model is configured for it";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kFailedPrecondition);
  }
}

TEST_F(EngineTest, AHoldOfAClientKeepsTheVoiceUntilItIsReleased) {
  Engine engine(config());
  const auto hold = engine.take_hold("test", {voice("alto").string()});
  EXPECT_EQ(engine.status().models.at(0).holds, 1);
  EXPECT_EQ(engine.holds().list().size(), 1U);
  engine.holds().release(hold);
  EXPECT_TRUE(engine.status().models.empty());
}

TEST_F(EngineTest, ARunThatDoesNotFitIsDoneInSmallerPieces) {
  Engine roomy(config());
  const auto id = roomy.load_model(voice("alto"), "cpu");
  models::ConvertOptions quick;
  quick.steps = 1;
  const auto whole = roomy.convert(id, tone(20), quick, {});
  EXPECT_TRUE(whole.notices.empty());
  auto tight = config();
  // Enough for pitch over everything, and for pieces of some seconds; not for 20 s at once.
  tight.memory_budgets[base::DeviceId{}] = cpu(roomy).ledger.resident + whole.peak_workspace_bytes * 3 / 4;
  Engine engine(tight);
  const auto pieces = engine.convert(engine.load_model(voice("alto"), "cpu"), tone(20), quick, {});
  EXPECT_EQ(pieces.audio.samples.size(), whole.audio.samples.size());
  ASSERT_GE(pieces.notices.size(), 2U);
  EXPECT_NE(pieces.notices.at(0).find("with less memory"), std::string::npos) << pieces.notices.at(0);
  EXPECT_LT(pieces.peak_workspace_bytes, whole.peak_workspace_bytes);
}

TEST_F(EngineTest, DrainingLetsNobodyInAndWaitsForThoseInside) {
  Engine engine(config());
  const auto id = engine.load_model(voice("alto"), "cpu");
  engine.requests().drain();
  try {
    engine.convert(id, tone(0.2), {}, {});
    FAIL() << "it is closed";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kUnavailable);
  }
}

TEST_F(EngineTest, SameSeedSameSamplesWhateverRanBefore) {
  Engine engine(config());
  const auto id = engine.load_model(voice("tenor"), "cpu");
  models::ConvertOptions options;
  options.seed = 7;
  const auto first = engine.convert(id, tone(0.3), options, {});
  engine.convert(id, tone(0.5), {}, {});
  EXPECT_EQ(engine.convert(id, tone(0.3), options, {}).audio.samples, first.audio.samples);
}

TEST_F(EngineTest, WorkspaceStaysBelowWhatIsReservedForIt) {
  // A recording that is one long segment, so every length-dependent part of the estimate counts.
  Engine engine(config());
  const auto id = engine.load_model(voice("alto"), "cpu");
  for (const double seconds : {0.5, 3.0, 20.0}) {
    auto tight = config();
    const auto result = engine.convert(id, tone(seconds), {}, {});
    const auto weights = cpu(engine).ledger.resident;
    // Were less reserved than used, this budget would admit the run.
    tight.memory_budgets[base::DeviceId{}] = weights + result.peak_workspace_bytes * 9 / 10;
    Engine small(tight);
    const auto small_id = small.load_model(voice("alto"), "cpu");
    EXPECT_THROW(small.convert(small_id, tone(seconds), {}, {}, {.recover = false}), base::Error)
        << seconds << " s";
  }
}

TEST_F(EngineTest, WhatALoadTookIsKnownToTheNextEngine) {
  const test::TempDir cache;
  auto kept = config();
  kept.cache_dir = cache.path();
  { Engine(kept).load_model(voice("alto"), "cpu"); }
  StateStore store(cache / "state.db");
  const auto learnt = [&] {
    return learnt_loads_from(store.get(StateStore::Kind::kLearntCost, "loads").value());
  };
  const auto first = learnt();
  ASSERT_EQ(first.size(), 4U);
  { Engine engine(kept); }  // loads nothing, and forgets nothing
  const auto second = learnt();
  ASSERT_EQ(second.size(), 4U);
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_GT(first[i].disk_seconds, 0);
    EXPECT_EQ(second[i].disk_seconds, first[i].disk_seconds);
    EXPECT_EQ(second[i].file, first[i].file);
  }
  store.put(StateStore::Kind::kLearntCost, "loads", "no JSON");
  Engine engine(kept);  // starts all the same
  EXPECT_TRUE(engine.status().models.empty());
}

}  // namespace
}  // namespace greenroom::app
