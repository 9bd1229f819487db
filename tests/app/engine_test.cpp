// What the engine does before any model is loaded. Loading and converting: tests/models/engine_test.cpp.
#include "app/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/model_library.h"
#include "base/error.h"
#include "models/ddsp_svc/demo.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;
using test::error_of;
using testing::AllOf;
using testing::HasSubstr;

TEST(Engine, StartsWithTheMachinesDevicesAndNoModel) {
  const Engine engine({});
  const Status status = engine.status();
  ASSERT_FALSE(status.devices.empty());
  const auto& cpu = status.devices[0];
  EXPECT_EQ(cpu.id, base::DeviceId{});
  EXPECT_GT(cpu.memory.total, 0U);
  EXPECT_GT(cpu.ledger.capacity, 0U);
  EXPECT_LE(cpu.ledger.capacity, cpu.memory.total);
  EXPECT_EQ(cpu.ledger.used(), 0U);
  EXPECT_EQ(cpu.problem, "");
  EXPECT_TRUE(status.models.empty());
}

TEST(Engine, ABudgetReplacesWhatTheMachineHas) {
  Config config;
  config.memory_budgets[base::DeviceId{}] = 123456789;
  EXPECT_EQ(Engine(config).status().devices.at(0).ledger.capacity, 123456789U);
}

TEST(Engine, RefusesABudgetForADeviceThatIsNotThere) {
  Config config;
  config.memory_budgets[{base::DeviceKind::kCuda, 99}] = 1;
  const auto error = error_of([&] { const Engine engine(config); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.what(), HasSubstr("cuda:99"));
}

TEST(Engine, PicksDevicesByName) {
  const Engine engine({});
  EXPECT_EQ(engine.pick_device("cpu"), base::DeviceId{});
  EXPECT_THAT(error_of([&] { engine.pick_device("mars"); }).what(), HasSubstr("mars"));
  EXPECT_THAT(error_of([&] { engine.pick_device("cuda:99"); }).what(), HasSubstr("cuda:99"));
}

TEST(Engine, UnloadingWhatIsNotLoadedIsAnError) {
  Engine engine({});
  EXPECT_EQ(error_of([&] { engine.unload("nobody", false); }).code(), ErrorCode::kNotFound);
}

TEST(Engine, AMissingModelsLibraryIsNamedWithTheRemedyAndLeavesNothingBehind) {
  const test::TempDir dir;
  models::ddsp_svc::write_demo_models(dir.path(), {});
  const auto library = dir / "libgreenroom_models.so";
  const test::ScopedVariable variable("GREENROOM_MODELS_LIBRARY", library.c_str());
  Engine engine({});
  auto error = error_of([&] { engine.load_model(dir / "alto", "cpu"); });
  EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.what(), AllOf(HasSubstr(library.string()), HasSubstr("libtorch-dev")));

  dir.write("libgreenroom_models.so", "no library");
  error = error_of([&] { engine.load_model(dir / "alto", "cpu"); });
  EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.what(), AllOf(HasSubstr(library.string()), HasSubstr("libopenblas0-pthread")));
  EXPECT_EQ(engine.status().devices.at(0).ledger.used(), 0U);
}

TEST(Engine, SettingsChangedWhileItRunsAreKeptUntilTheyAreReset) {
  const test::TempDir dir;
  Config config;
  config.cache_dir = dir.path();
  config.gpu.idle_timeout_minutes = 7;
  {
    Engine engine(config);
    EXPECT_EQ(engine.gpu_settings().idle_timeout_minutes, 7);
    engine.change_gpu_setting("idle_timeout_minutes", "12.5");
    engine.change_gpu_setting("auto_cleanup_enabled", "false");
    EXPECT_EQ(engine.gpu_settings().idle_timeout_minutes, 12.5);
  }
  Engine engine(config);
  EXPECT_EQ(engine.gpu_settings(), (GpuSettings{false, 85, 12.5}));
  engine.reset_gpu_setting("idle_timeout_minutes");
  EXPECT_EQ(engine.gpu_settings().idle_timeout_minutes, 7);
  EXPECT_EQ(Engine(config).gpu_settings(), (GpuSettings{false, 85, 7}));
}

TEST(Engine, WrongSettingsChangeNothing) {
  Engine engine({});
  const auto before = engine.gpu_settings();
  EXPECT_THAT(error_of([&] { engine.change_gpu_setting("idle_timeout_minutes", "soon"); }).what(),
              AllOf(HasSubstr("gpu.idle_timeout_minutes"), HasSubstr("soon")));
  EXPECT_THAT(error_of([&] { engine.change_gpu_setting("idle_timeout", "1"); }).what(),
              AllOf(HasSubstr("gpu.idle_timeout "), HasSubstr("idle_timeout_minutes")));
  EXPECT_EQ(engine.gpu_settings(), before);
}

TEST(Engine, ModelsRegisteredWithOneAreKnownToTheNext) {
  const test::TempDir dir;
  models::ddsp_svc::write_demo_models(dir.path(), {});
  Config config;
  config.cache_dir = dir / "cache";
  std::string id;
  {
    Engine engine(config);
    id = engine.registry().add(dir / "alto");
    EXPECT_EQ(engine.registry().add(dir / "alto" / "model_0.pt"), id);
    EXPECT_EQ(error_of([&] { engine.registry().add(dir / "nobody"); }).code(), ErrorCode::kNotFound);
  }
  Engine engine(config);
  ASSERT_EQ(engine.registry().list().size(), 1U);
  EXPECT_EQ(engine.registry().list()[0].id, id);
  EXPECT_EQ(engine.registry().list()[0].type, "ddsp_svc");
}

TEST(Engine, StartsWithADamagedStateAndSaysSo) {
  const test::TempDir dir;
  dir.write("state.db", std::string(4000, 'x'));
  Config config;
  config.cache_dir = dir.path();
  Engine engine(config);
  ASSERT_EQ(engine.status().state_problems.size(), 1U);
  EXPECT_THAT(engine.status().state_problems[0], HasSubstr("state.db.damaged-1"));
  EXPECT_TRUE(engine.registry().list().empty());
}

TEST(Engine, TaskProfilesAreKept) {
  const test::TempDir dir;
  Config config;
  config.cache_dir = dir.path();
  core::TaskProfile profile{.task_name = "duet",
                            .required_models = {{"ddsp_svc", "/voices/alto", "cpu", 3}},
                            .optional_models = {{"", "/voices/ten\"or", "auto", -1}},
                            .memory_limit_mb = 4096,
                            .auto_cleanup = false};
  {
    Engine engine(config);
    engine.register_task(profile);
    EXPECT_EQ(error_of([&] { engine.register_task({}); }).code(), ErrorCode::kInvalidArgument);
  }
  {
    Engine engine(config);
    ASSERT_EQ(engine.tasks().list().size(), 4U) << "beside the three default ones";
    EXPECT_EQ(engine.tasks().list()[0].profile, profile);
    EXPECT_TRUE(engine.remove_task("duet"));
    EXPECT_FALSE(engine.remove_task("duet"));
  }
  EXPECT_EQ(Engine(config).tasks().list().size(), 3U);
}

}  // namespace
}  // namespace greenroom::app
