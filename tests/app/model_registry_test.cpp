#include "app/model_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "base/error.h"
#include "support/error_of.h"
#include "support/fake_clock.h"
#include "support/fake_model.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;
using core::ModelStatus;
using test::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

// A registry over a store on disk and a manager of 1000 bytes; restart() is a new process.
class ModelRegistryTest : public testing::Test {
 protected:
  ModelRegistryTest() { restart(); }
  ~ModelRegistryTest() override { stop(); }

  void stop() {
    registry_.reset();
    baseline_.reset();
    manager_.reset();
    store_.reset();
  }

  void restart() {
    stop();
    store_.emplace(dir_ / "state.db");
    manager_.emplace(std::vector<core::DeviceBudget>{{base::DeviceId{}, 1000}}, clock_);
    baseline_.emplace(*manager_, clock_, [] { return std::chrono::hours(1); });
    registry_.emplace(*store_, *manager_, *baseline_,
                      ModelSource{.identify = [](const auto& path) -> ModelSource::Identity {
                                    return {"fake", path};
                                  },
                                  .make = [this](const auto& model) -> core::GroupMember {
                                    return {model.id, make(model), base::DeviceId{}};
                                  }});
  }

  std::shared_ptr<const core::Model> make(const RegisteredModel& model) {
    if (!std::filesystem::exists(model.path)) throw Error(ErrorCode::kNotFound, model.path.string());
    return std::make_shared<test::FakeModel>(
        heap_, std::vector<test::FakePart>{
                   {.kind = "voice", .file = model.path, .bytes = 400, .on_load = on_load_}});
  }

  // A model file in a folder of that name.
  std::filesystem::path voice(const std::string& name) {
    std::filesystem::create_directories(dir_ / name);
    return dir_.write(name + "/model_0.pt", name);
  }

  test::TempDir dir_;
  test::FakeClock clock_;
  std::shared_ptr<test::FakeHeap> heap_ = std::make_shared<test::FakeHeap>();
  std::function<void(const core::LoadControl&)> on_load_;
  std::optional<StateStore> store_;
  std::optional<core::Manager> manager_;
  std::optional<core::Baseline> baseline_;
  std::optional<ModelRegistry> registry_;
};

TEST_F(ModelRegistryTest, IdsComeFromThePathAndStay) {
  const auto id = registry_->add(voice("alto"));
  EXPECT_THAT(id, MatchesRegex("alto-[0-9a-f]{8}"));
  EXPECT_EQ(registry_->add(voice("alto")), id);
  EXPECT_EQ(registry_->add(dir_ / "x/../alto/model_0.pt"), id);
  std::filesystem::create_directories(dir_ / "other/alto");
  EXPECT_NE(registry_->add(dir_.write("other/alto/model_0.pt", "")), id);
  restart();
  EXPECT_EQ(registry_->add(voice("alto")), id);
  EXPECT_EQ(registry_->list().size(), 2U);
}

TEST_F(ModelRegistryTest, AnIdOfTheCallersOwnIsKeptForOnePath) {
  EXPECT_EQ(registry_->add(voice("alto"), "cpu", "singer/one"), "singer/one");
  EXPECT_EQ(registry_->add(voice("alto"), "", "singer/one"), "singer/one");
  EXPECT_EQ(registry_->find("singer/one")->device, "cpu");
  EXPECT_EQ(registry_->add(voice("alto"), "auto", "singer/one"), "singer/one");
  EXPECT_EQ(registry_->find("singer/one")->device, "auto");
  const auto error = error_of([&] { registry_->add(voice("tenor"), "cpu", "singer/one"); });
  EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("singer/one"), HasSubstr("alto")));
  for (const auto& bad : {std::string("a b"), std::string("ä"), std::string(201, 'a')}) {
    EXPECT_EQ(error_of([&] { registry_->add(voice("tenor"), "cpu", bad); }).code(),
              ErrorCode::kInvalidArgument);
  }
}

TEST_F(ModelRegistryTest, LoadsUnloadsAndForgetsById) {
  const auto id = registry_->add(voice("alto"));
  registry_->load(id);
  EXPECT_EQ(manager_->model_info(id)->holds, 1);
  EXPECT_EQ(error_of([&] { registry_->forget(id); }).code(), ErrorCode::kFailedPrecondition);
  registry_->unload(id, false);
  EXPECT_EQ(manager_->model_status(id), ModelStatus::kUnloaded);
  registry_->forget(id);
  EXPECT_THAT(registry_->list(), IsEmpty());
  EXPECT_EQ(error_of([&] { registry_->load(id); }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(error_of([&] { registry_->forget(id); }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(error_of([&] { registry_->keep(id, {}); }).code(), ErrorCode::kNotFound);
}

TEST_F(ModelRegistryTest, AModelWhoseLoadFailedCanBeForgotten) {
  const auto id = registry_->add(voice("alto"));
  on_load_ = [](const auto&) { throw Error(ErrorCode::kDataLoss, "deliberate"); };
  EXPECT_EQ(error_of([&] { registry_->load(id); }).code(), ErrorCode::kDataLoss);
  EXPECT_FALSE(registry_->find(id)->held);
  registry_->forget(id);
  EXPECT_THAT(manager_->list(), IsEmpty());
}

TEST_F(ModelRegistryTest, PinnedAndBaselineModelsComeBackWithoutAHold) {
  const auto pinned = registry_->add(voice("pinned"));
  const auto baseline = registry_->add(voice("baseline"));
  const auto plain = registry_->add(voice("plain"));
  registry_->keep(pinned, {.pinned = true, .keep_alive_seconds = 5});
  registry_->keep(baseline, {.baseline = true});
  registry_->load(plain);
  restart();
  const auto restored = registry_->restore(Restore::kKept);
  ASSERT_EQ(restored.size(), 2U);
  EXPECT_EQ(restored[0].id, pinned);
  EXPECT_EQ(restored[0].problem + restored[1].problem, "");
  EXPECT_EQ(manager_->model_info(pinned)->holds, 0);
  EXPECT_EQ(manager_->model_status(baseline), ModelStatus::kLoaded);
  EXPECT_EQ(manager_->model_status(plain), ModelStatus::kUnloaded);
  EXPECT_TRUE(manager_->settings(pinned).pin);
  EXPECT_EQ(manager_->settings(pinned).keep_alive, std::chrono::seconds(5));
  EXPECT_EQ(manager_->trim(base::DeviceId{}), 400U);  // the baseline one
  EXPECT_EQ(manager_->model_status(pinned), ModelStatus::kLoaded);
}

TEST_F(ModelRegistryTest, HeldModelsComeBackWhenThatIsWanted) {
  const auto held = registry_->add(voice("held"));
  const auto left = registry_->add(voice("left"));
  registry_->load(held);
  registry_->load(held);
  registry_->unload(held, false);
  registry_->load(left);
  registry_->unload(left, false);
  restart();
  EXPECT_THAT(registry_->restore(Restore::kNone), IsEmpty());
  EXPECT_THAT(registry_->restore(Restore::kKept), IsEmpty());
  ASSERT_EQ(registry_->restore(Restore::kHeld).size(), 1U);
  EXPECT_EQ(manager_->model_info(held)->holds, 1);
}

TEST_F(ModelRegistryTest, OneThatCannotComeBackSaysWhyAndStopsNobody) {
  for (const char* name : {"a", "b", "c"})
    registry_->keep(registry_->add(voice(name), "cpu", name), {.pinned = true});
  restart();
  std::filesystem::remove(dir_ / "a/model_0.pt");
  const auto restored = registry_->restore(Restore::kKept);
  ASSERT_EQ(restored.size(), 3U);
  EXPECT_THAT(restored[0].problem, HasSubstr("model_0.pt"));
  EXPECT_EQ(restored[1].problem, "");
  EXPECT_EQ(manager_->model_status("c"), ModelStatus::kLoaded);
  restart();
  voice("a");
  const auto crowded = registry_->restore(Restore::kKept);  // three times 400 bytes on a device of 1000
  EXPECT_EQ(crowded[1].problem, "");
  EXPECT_THAT(crowded[2].problem, HasSubstr("400 B"));
}

TEST_F(ModelRegistryTest, RestoringCanBeStopped) {
  for (const char* name : {"a", "b"})
    registry_->keep(registry_->add(voice(name), "cpu", name), {.baseline = true});
  restart();
  test::Gate gate;
  on_load_ = [&](const core::LoadControl& control) {
    gate.pass();
    if (*control.cancelled) throw Error(ErrorCode::kCancelled, "cancelled");
  };
  std::vector<Restored> restored;
  std::thread restorer([&] { restored = registry_->restore(Restore::kKept); });
  gate.await(1);
  registry_->stop_restoring();
  gate.open();
  restorer.join();
  ASSERT_EQ(restored.size(), 1U);
  EXPECT_NE(restored[0].problem, "");
  EXPECT_EQ(heap_->live(), 0U);
}

TEST_F(ModelRegistryTest, KeepAliveForEverAndChangesHoldAtOnce) {
  const auto id = registry_->add(voice("alto"));
  registry_->preload(id);
  registry_->keep(id, {.keep_alive_seconds = -1});
  clock_.advance(std::chrono::hours(1000));
  EXPECT_EQ(manager_->sweep(std::chrono::seconds(1)), 0U);
  registry_->keep(id, {.keep_alive_seconds = 0});
  EXPECT_EQ(manager_->model_status(id), ModelStatus::kUnloaded);
}

TEST_F(ModelRegistryTest, BaselineModelsComeBackWhenItIsQuietAndForgottenOnesDoNot) {
  const auto id = registry_->add(voice("alto"));
  registry_->keep(id, {.baseline = true});
  EXPECT_THAT(baseline_->restore(), ElementsAre(id));
  restart();
  EXPECT_THAT(baseline_->restore(), ElementsAre(id));
  registry_->keep(id, {});
  EXPECT_THAT(baseline_->list(), IsEmpty());
  registry_->keep(id, {.baseline = true});
  registry_->unload(id, true);
  registry_->forget(id);
  EXPECT_THAT(baseline_->restore(), IsEmpty());
}

}  // namespace
}  // namespace greenroom::app
