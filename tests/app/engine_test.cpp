// What the engine does before any model is loaded. Loading and converting: tests/models/engine_test.cpp.
#include "app/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/model_library.h"
#include "base/error.h"
#include "models/ddsp_svc/demo.h"
#include "support/environment.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;
using testing::AllOf;
using testing::HasSubstr;

template <typename Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::kInternal, "no error"};
}

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
  auto error = error_of([&] { engine.load_voice(dir / "alto", "cpu"); });
  EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.what(), AllOf(HasSubstr(library.string()), HasSubstr("libtorch-dev")));

  dir.write("libgreenroom_models.so", "no library");
  error = error_of([&] { engine.load_voice(dir / "alto", "cpu"); });
  EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.what(), AllOf(HasSubstr(library.string()), HasSubstr("libopenblas0-pthread")));
  EXPECT_EQ(engine.status().devices.at(0).ledger.used(), 0U);
}

}  // namespace
}  // namespace greenroom::app
