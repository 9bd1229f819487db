// The public API as a program uses it: one process, one engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "greenroom/error_handler.h"
#include "greenroom/gpu_utils.h"
#include "greenroom/init.h"
#include "greenroom/lifecycle.h"
#include "greenroom/memory_monitor.h"
#include "greenroom/models/ddsp_svc.h"
#include "greenroom/models/index_tts.h"
#include "models/ddsp_svc/demo.h"
#include "support/environment.h"
#include "support/temp_dir.h"

namespace greenroom {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ApiTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    voices_ = new test::TempDir;
    models::ddsp_svc::write_demo_models(voices_->path(), {});
  }
  static void TearDownTestSuite() { delete voices_; }

  ApiTest() { start(); }
  ~ApiTest() override {
    for (const int action : actions_) get_error_handler().unregister_recovery_action(action);
    shutdown_gpu_management();
  }

  // For the length of the test: what the actions use does not live longer.
  int add(const std::string& error_type, const RecoveryAction& action) {
    actions_.push_back(get_error_handler().register_recovery_action(error_type, action));
    return actions_.back();
  }

  void start() const {
    InitOptions options;
    options.cache_dir = cache_.path();
    options.device = "cpu";
    options.auto_management = false;
    ASSERT_TRUE(initialize_gpu_management(options)) << gpu_management_status().problem;
  }
  void restart() const {
    shutdown_gpu_management();
    start();
  }

  static std::filesystem::path voice(const char* name) { return voices_->path() / name; }

  template <typename Call>
  static Error error_of(Call&& call) {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    return {ErrorCode::internal, "no error"};
  }

  static test::TempDir* voices_;
  std::vector<int> actions_;
  test::TempDir cache_;
  // Where an engine that starts by itself keeps its state.
  test::ScopedVariable cache_home_{"XDG_CACHE_HOME", cache_.path().c_str()};
};

test::TempDir* ApiTest::voices_ = nullptr;

TEST_F(ApiTest, InitialisingTwiceIsInitialisingOnce) {
  EXPECT_TRUE(initialize_gpu_management());
  const auto status = gpu_management_status();
  EXPECT_TRUE(status.initialized);
  EXPECT_EQ(status.problem, "");
  EXPECT_FALSE(status.auto_management_running);
  ASSERT_FALSE(status.devices.empty());
  EXPECT_EQ(status.devices[0].device, "cpu");
  EXPECT_GT(status.devices[0].budget_bytes, 0U);
}

TEST_F(ApiTest, AFailedInitialisationSaysWhy) {
  shutdown_gpu_management();
  EXPECT_FALSE(gpu_management_status().initialized);
  InitOptions options;
  options.cache_dir = "";
  options.memory_budgets["cuda:99"] = 1;
  EXPECT_FALSE(initialize_gpu_management(options));
  EXPECT_THAT(gpu_management_status().problem, HasSubstr("cuda:99"));
  EXPECT_FALSE(gpu_management_status().initialized);
  EXPECT_TRUE(GPUManagerInitializer({.cache_dir = ""}).initialize());
  EXPECT_EQ(gpu_management_status().problem, "");
}

TEST_F(ApiTest, ErrorsKeepTheirCodeAndMessage) {
  const auto error = error_of([] { load_ddsp_model("/nonexistent/voice"); });
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_THAT(error.what(), HasSubstr("/nonexistent/voice"));
  EXPECT_EQ(error_of([] { get_model_manager().set_idle_timeout(-1); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([] { GPUUtils::check_memory_requirement(1, "mars"); }).code(),
            ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([] { get_lifecycle_manager().preload_for_task("nothing"); }).code(),
            ErrorCode::not_found);
  EXPECT_EQ(error_of([] { get_model_manager().keep_model("nobody", {}); }).code(), ErrorCode::not_found);
  EXPECT_EQ(error_of([] { read_audio("/nonexistent.wav"); }).code(), ErrorCode::not_found);
}

TEST_F(ApiTest, EachLoaderTakesItsKindOfModel) {
  const auto wrong = error_of([] { load_index_tts_model(voice("alto")); });
  EXPECT_EQ(wrong.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(wrong.what(), HasSubstr("load_ddsp_model"));
  EXPECT_EQ(error_of([] { load_index_tts_model("/nonexistent/model"); }).code(), ErrorCode::not_found);
  EXPECT_THAT(get_model_manager().list_models(), IsEmpty());
}

TEST_F(ApiTest, SynthesisNeedsATextARecordingAndAModel) {
  EXPECT_EQ(error_of([] { auto_load_for_synthesis("Hello", "/nonexistent.wav"); }).code(),
            ErrorCode::not_found);
  const auto recording = cache_.write("voice.wav", "x");
  EXPECT_EQ(error_of([&] { auto_load_for_synthesis(" \n", recording); }).code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error_of([&] { auto_load_for_synthesis("Hello", recording); }).what(),
              HasSubstr("index_tts.model_dir"));
}

TEST_F(ApiTest, SettingsHoldAtOnceAndAfterARestart) {
  auto& manager = get_model_manager();
  manager.enable_auto_cleanup(false);
  manager.set_cleanup_threshold(72.5);
  manager.set_idle_timeout(0.25);
  restart();
  EXPECT_FALSE(manager.auto_cleanup_enabled());
  EXPECT_EQ(manager.cleanup_threshold(), 72.5);
  EXPECT_EQ(manager.idle_timeout(), 0.25);
}

TEST_F(ApiTest, AnswersWithoutLoadingAnything) {
  EXPECT_EQ(GPUUtils::get_optimal_device(), "cpu");
  EXPECT_GT(GPUUtils::estimate_model_memory(voice("alto")), 20U << 20);
  EXPECT_TRUE(GPUUtils::check_memory_requirement(1));
  EXPECT_FALSE(GPUUtils::check_memory_requirement(~std::uint64_t{0}));
  EXPECT_GT(GPUUtils::get_system_memory_info().total_bytes, 0U);
  EXPECT_THAT(get_model_manager().list_models(), IsEmpty());
  EXPECT_EQ(get_model("nobody"), nullptr);
  EXPECT_EQ(get_ddsp_model("nobody"), nullptr);
  EXPECT_FALSE(unload_model("nobody"));
  EXPECT_EQ(get_model_manager().get_model_info("nobody"), std::nullopt);
}

TEST_F(ApiTest, AutoManagementStartsAndStopsOnce) {
  auto& lifecycle = get_lifecycle_manager();
  EXPECT_TRUE(lifecycle.start_auto_management());
  EXPECT_FALSE(lifecycle.start_auto_management());
  EXPECT_TRUE(gpu_management_status().auto_management_running);
  EXPECT_TRUE(lifecycle.stop_auto_management());
  EXPECT_FALSE(lifecycle.stop_auto_management());
}

TEST_F(ApiTest, EveryEventHasAName) {
  for (int i = 0; i <= static_cast<int>(LifecycleEvent::task_cleaned); ++i) {
    EXPECT_FALSE(lifecycle_event_name(static_cast<LifecycleEvent>(i)).empty()) << i;
  }
  EXPECT_EQ(lifecycle_event_name(LifecycleEvent::unload_completed), "unload_completed");
  EXPECT_EQ(lifecycle_event_name(LifecycleEvent::hold_expired), "hold_expired");
}

TEST_F(ApiTest, TheMonitorStartsStopsAndRemembers) {
  auto& monitor = get_memory_monitor();
  EXPECT_FALSE(monitor.is_monitoring());
  const auto before = monitor.get_current_status();
  EXPECT_EQ(before.system_memory.device, "cpu");
  EXPECT_GT(before.system_memory.total_bytes, before.system_memory.used_bytes);
  EXPECT_GT(before.system_memory.usage_percent, 0);
  EXPECT_GT(before.timestamp, 1.7e9);
  EXPECT_TRUE(start_global_monitoring());
  EXPECT_FALSE(monitor.start_monitoring());
  while (monitor.get_memory_history(10).empty()) std::this_thread::yield();
  EXPECT_EQ(monitor.get_memory_history(10).front().total_bytes, before.system_memory.total_bytes);
  const int callback = monitor.add_alert_callback([](const MemoryAlert&) {});
  monitor.remove_alert_callback(callback);
  EXPECT_TRUE(monitor.stop_monitoring());
  EXPECT_FALSE(monitor.stop_monitoring());
}

TEST_F(ApiTest, ActionsRunInTheOrderOfWhatTheyAreFor) {
  auto& handler = get_error_handler();
  handler.clear_history();
  std::vector<std::string> ran;
  const auto action = [&](const std::string& name, bool helps) {
    return RecoveryAction{
        .action = [&ran, name, helps](const ErrorContext&) { return ran.push_back(name), helps; },
        .description = name,
        .max_attempts = 2,
        .delay = 0};
  };
  add("default", action("default", true));
  add("std::runtime_error", action("type", true));
  add("mixer", action("component", false));
  add("mixer.std::runtime_error", action("exact", false));
  EXPECT_TRUE(handler.handle_error(std::runtime_error("deliberate"), "mixer", "mix", ErrorSeverity::LOW));
  EXPECT_THAT(ran, testing::ElementsAre("exact", "exact", "component", "component", "type"));
  ran.clear();
  EXPECT_TRUE(handler.handle_error(Error(ErrorCode::unavailable, "busy"), "other", "mix"));
  EXPECT_THAT(ran, testing::ElementsAre("default"));
  const auto errors = handler.get_recent_errors();
  ASSERT_EQ(errors.size(), 2U);
  EXPECT_EQ(errors[0].error_type, "std::runtime_error");
  EXPECT_EQ(errors[0].severity, ErrorSeverity::LOW);
  EXPECT_EQ(errors[1].error_type, "unavailable");
  EXPECT_EQ(handler.get_error_counts().at("mixer.std::runtime_error"), 1U);
}

TEST_F(ApiTest, AnActionThatThrowsIsOneThatDidNotHelp) {
  auto& handler = get_error_handler();
  add("fragile", {.action = [](const ErrorContext&) -> bool { throw std::runtime_error("deliberate"); },
                  .max_attempts = 1,
                  .delay = 0});
  add("fragile.std::logic_error", {.action = [](const ErrorContext&) { return false; }, .max_attempts = 1});
  const int callback = handler.add_error_callback([](const ErrorContext&) { throw 42; });
  handler.handle_error(std::logic_error("deliberate"), "fragile", "break");  // returns
  EXPECT_TRUE(handler.remove_error_callback(callback));
  EXPECT_FALSE(handler.remove_error_callback(callback));
  EXPECT_EQ(error_of([&] { handler.register_recovery_action("x", {}); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([&] {
              handler.register_recovery_action(
                  "x", {.action = [](const ErrorContext&) { return true; }, .delay = -1});
            }).code(),
            ErrorCode::invalid_argument);
}

TEST_F(ApiTest, ActionsAndCallbacksAreTakenOffAgain) {
  auto& handler = get_error_handler();
  int called = 0;
  const auto count = [&called](const ErrorContext&) { return ++called > 0; };
  const int action = add("drum", {.action = count, .max_attempts = 1, .delay = 0});
  const int callback = handler.add_error_callback([&](const ErrorContext& error) { count(error); });
  EXPECT_TRUE(handler.handle_error(std::runtime_error("deliberate"), "drum", "beat"));
  EXPECT_EQ(called, 2);
  EXPECT_TRUE(handler.unregister_recovery_action(action));
  EXPECT_FALSE(handler.unregister_recovery_action(action));
  EXPECT_TRUE(handler.remove_error_callback(callback));
  EXPECT_FALSE(handler.handle_error(std::runtime_error("deliberate"), "drum", "beat"));
  EXPECT_EQ(called, 2);
}

TEST_F(ApiTest, TakingAnActionOffWaitsForItUnlessItIsItself) {
  auto& handler = get_error_handler();
  int by_itself = 0;
  by_itself = add(
      "cymbal", {.action = [&](const ErrorContext&) { return handler.unregister_recovery_action(by_itself); },
                 .max_attempts = 1});
  EXPECT_TRUE(handler.handle_error(std::runtime_error("deliberate"), "cymbal", "crash"));

  std::promise<void> entered, leave;
  std::atomic<bool> has_left{false};
  const int slow = add("gong", {.action =
                                    [&](const ErrorContext&) {
                                      entered.set_value();
                                      leave.get_future().wait();
                                      has_left = true;
                                      return true;
                                    },
                                .max_attempts = 1});
  std::thread within([&] { handler.handle_error(std::runtime_error("deliberate"), "gong", "beat"); });
  entered.get_future().wait();
  std::thread lets_go([&] { leave.set_value(); });
  EXPECT_TRUE(handler.unregister_recovery_action(slow));
  EXPECT_TRUE(has_left);
  within.join();
  lets_go.join();
}

#if GREENROOM_HAVE_TORCH

TEST_F(ApiTest, AnActionForACodeRunsInsideAnInference) {
  std::atomic<int> asked{0};
  const int action = add("invalid_argument", {.strategy = RecoveryStrategy::ABORT,
                                              .action =
                                                  [&](const ErrorContext& error) {
                                                    EXPECT_EQ(error.operation, "convert");
                                                    return ++asked > 0;
                                                  },
                                              .description = "count",
                                              .max_attempts = 1,
                                              .delay = 0});
  restart();  // it stays registered
  const auto id = load_ddsp_model(voice("alto"));
  const auto handle = get_ddsp_model(id);
  EXPECT_EQ(error_of([&] {
              handle->infer(Audio{std::vector<float>(22050), 44100}, 99);
            }).code(),
            ErrorCode::invalid_argument);
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(get_error_handler().unregister_recovery_action(action));
  EXPECT_EQ(error_of([&] {
              handle->infer(Audio{std::vector<float>(22050), 44100}, 99);
            }).code(),
            ErrorCode::invalid_argument);
  EXPECT_EQ(asked, 1);
  unload_model(id);
}

TEST_F(ApiTest, AVoiceIsLoadedUsedAndLetGo) {
  auto& manager = get_model_manager();
  const auto id = load_ddsp_model(voice("alto"));
  EXPECT_EQ(load_ddsp_model(voice("alto") / "model_0.pt"), id);
  const auto info = manager.get_model_info(id);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->status, ModelStatus::loaded);
  EXPECT_EQ(info->model_type, ModelType::ddsp_svc);
  EXPECT_EQ(info->reference_count, 2);
  EXPECT_EQ(info->memory_bytes, GPUUtils::estimate_model_memory(voice("alto")));
  const auto handle = get_ddsp_model(id);
  ASSERT_TRUE(handle);
  EXPECT_NEAR(handle->infer(Audio{std::vector<float>(22050, 0.1F), 44100}).audio.seconds(), 0.5, 0.02);
  EXPECT_EQ(error_of([&] {
              handle->infer(Audio{std::vector<float>(22050), 44100}, 99);
            }).code(),
            ErrorCode::invalid_argument);
  EXPECT_TRUE(unload_model(id));
  EXPECT_NE(get_model(id), nullptr);
  EXPECT_TRUE(unload_model(id));
  EXPECT_EQ(get_model(id), nullptr);
  EXPECT_EQ(error_of([&] {
              handle->infer(Audio{std::vector<float>(22050), 44100});
            }).code(),
            ErrorCode::not_found);
  EXPECT_EQ(manager.get_memory_usage()[0].models_bytes, 0U);
  EXPECT_THAT(manager.list_models(), SizeIs(1));
  manager.forget_model(id);
  EXPECT_THAT(manager.list_models(), IsEmpty());
}

TEST_F(ApiTest, ATaskTakesItsModelsAndGivesThemBack) {
  auto& lifecycle = get_lifecycle_manager();
  lifecycle.register_task_profile(
      {.task_name = "duet",
       .required_models = {{.model_path = voice("alto")}},
       .optional_models = {{.model_path = voice("tenor")}, {.model_path = "/gone"}}});
  const auto preloaded = lifecycle.preload_for_task("duet");
  EXPECT_THAT(preloaded.required, SizeIs(1));
  EXPECT_THAT(preloaded.optional, SizeIs(1));
  EXPECT_THAT(preloaded.skipped.at("/gone"), HasSubstr("/gone"));
  EXPECT_EQ(gpu_management_status().loaded_models, 2);
  EXPECT_THAT(get_model_manager().unload_all_models(), IsEmpty());
  EXPECT_THAT(lifecycle.cleanup_for_task("duet"), SizeIs(2));
  EXPECT_EQ(gpu_management_status().loaded_models, 0);
  restart();
  EXPECT_THAT(lifecycle.get_task_profiles(), SizeIs(4));
  EXPECT_TRUE(lifecycle.remove_task_profile("duet"));
}

TEST_F(ApiTest, ListenersAndHistoryTellWhatHappened) {
  auto& lifecycle = get_lifecycle_manager();
  std::atomic<int> completed{0};
  const int listener = lifecycle.add_event_listener([&](const LifecycleEventData& event) {
    if (event.event == LifecycleEvent::unload_completed) ++completed;
  });
  const auto id = load_ddsp_model(voice("alto"), "cpu", "my/alto");
  EXPECT_EQ(id, "my/alto");
  unload_model(id, /*force=*/true);
  while (completed == 0) std::this_thread::yield();
  EXPECT_TRUE(lifecycle.remove_event_listener(listener));
  EXPECT_FALSE(lifecycle.remove_event_listener(listener));
  EventFilter filter;
  filter.model_id = id;
  filter.event = LifecycleEvent::unload_completed;
  const auto events = lifecycle.get_recent_events(filter);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].model_type, "ddsp_svc");
  EXPECT_EQ(events[0].device, "cpu");
  EXPECT_GT(events[0].timestamp, 1.7e9);
  filter = {};
  filter.since_id = events[0].id;
  EXPECT_THAT(lifecycle.get_recent_events(filter), IsEmpty());
}

TEST_F(ApiTest, FindsTheVoiceForAConversion) {
  EXPECT_EQ(error_of([&] { auto_load_for_conversion("/nonexistent.wav", "alto"); }).code(),
            ErrorCode::not_found);
  const auto recording = cache_ / "tone.wav";
  write_audio(recording, {std::vector<float>(8000, 0.1F), 16000});
  const auto error = error_of([&] { auto_load_for_conversion(recording, "alto"); });
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("alto"), HasSubstr("none")));
  const auto id = auto_load_for_conversion(recording, voice("alto").string());
  EXPECT_EQ(auto_load_for_conversion(recording, "alto"), id);
  EXPECT_EQ(auto_load_for_conversion(recording), id);
  EXPECT_NE(auto_load_for_conversion(recording, voice("tenor").string()), id);
  EXPECT_EQ(error_of([&] { auto_load_for_conversion(recording); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(get_model_manager().get_model_info(id)->reference_count, 3);
  EXPECT_THAT(get_model_manager().unload_all_models(), SizeIs(2));
}

TEST_F(ApiTest, ShuttingDownWhileOthersCallIsSafe) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      while (!stop) {
        try {
          const auto id = load_ddsp_model(voice("alto"), "cpu");
          get_model_manager().list_models();
          unload_model(id);
        } catch (const Error&) {  // cancelled, or gone between two calls
        }
      }
    });
  }
  for (int i = 0; i < 5; ++i) restart();
  stop = true;
  for (auto& caller : callers) caller.join();
}

#endif

}  // namespace
}  // namespace greenroom
