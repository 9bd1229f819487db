#include "core/task_profiles.h"

#include <map>

#include "manager_fixture.h"

namespace greenroom::core {
namespace {

using base::ErrorCode;
using std::chrono::minutes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kMiB = 1 << 20;

class TaskProfilesTest : public ManagerFixture {
 protected:
  // A model at path "name": an encoder that all share, and a voice of its own.
  void offer(const std::string& name, std::uint64_t voice_bytes, std::uint64_t encoder_bytes = 100) {
    models_[name] = model({part("encoder", encoder_bytes), part(name, voice_bytes)});
  }
  GroupMember resolve(const PreloadConfig& config) const {
    const auto found = models_.find(config.model_path.string());
    if (found == models_.end())
      throw base::Error(ErrorCode::kNotFound, config.model_path.string() + ": no such file");
    return {config.model_path.string(), found->second, kCpu};
  }
  static PreloadConfig at(const std::string& path, int priority = 0) {
    return {"fake", path, "cpu", priority};
  }
  int holds(const std::string& id) const {
    const auto info = manager_.model_info(id);
    return info ? info->holds : 0;
  }

  std::map<std::string, std::shared_ptr<test::FakeModel>> models_;
  TaskProfiles tasks_{manager_, clock_, [this](const PreloadConfig& config) { return resolve(config); }};
};

TEST_F(TaskProfilesTest, PreloadHoldsAllAndCleanUpTakesExactlyThoseHolds) {
  offer("alto", 200);
  offer("tenor", 300);
  manager_.load("alto", models_["alto"], kCpu);  // somebody else's
  tasks_.register_task_profile({"duet", {at("alto"), at("tenor")}, {}});
  const auto done = tasks_.preload_for_task("duet");
  EXPECT_THAT(done.required, ElementsAre("alto", "tenor"));
  EXPECT_EQ(done.bytes, 600u);
  EXPECT_EQ(holds("alto"), 2);
  EXPECT_THAT(tasks_.list()[0].held, ElementsAre("alto", "tenor"));

  EXPECT_THAT(tasks_.cleanup_for_task("duet"), ElementsAre("alto", "tenor"));
  EXPECT_EQ(holds("alto"), 1);
  EXPECT_EQ(manager_.model_status("tenor"), ModelStatus::kUnloaded);
  EXPECT_EQ(totals().resident, 300u);
  EXPECT_THAT(tasks_.cleanup_for_task("duet"), IsEmpty()) << "nothing to take a second time";
  EXPECT_EQ(holds("alto"), 1);
}

TEST_F(TaskProfilesTest, RequiredModelsAreAllOrNone) {
  offer("alto", 500);
  offer("tenor", 500);
  tasks_.register_task_profile({"duet", {at("alto"), at("tenor")}, {}});
  EXPECT_EQ(caught([&] { tasks_.preload_for_task("duet"); }).code, ErrorCode::kResourceExhausted);
  expect_nothing_left();
  EXPECT_EQ(models_["alto"]->loads(0), 0) << "refused before anything was read";
  tasks_.register_task_profile({"duet", {at("alto"), at("missing")}, {}});
  EXPECT_EQ(caught([&] { tasks_.preload_for_task("duet"); }).code, ErrorCode::kNotFound);
  expect_nothing_left();
  offer("tenor", 300);
  tasks_.register_task_profile({"duet", {at("alto"), at("tenor")}, {}});
  EXPECT_EQ(tasks_.preload_for_task("duet").bytes, 900u) << "and can be tried again";
}

TEST_F(TaskProfilesTest, OptionalModelsComeInOrderOfPriorityWhileThereIsRoom) {
  offer("main", 100);
  offer("first", 300);
  offer("second", 600);
  offer("third", 250);
  tasks_.register_task_profile(
      {"show", {at("main")}, {at("third", 1), at("second", 5), at("first", 9), at("nowhere", 7)}});
  const auto done = tasks_.preload_for_task("show");
  EXPECT_THAT(done.optional, ElementsAre("first", "third"));
  ASSERT_EQ(done.skipped.size(), 2u);
  EXPECT_THAT(done.skipped[0].reason, HasSubstr("no such file"));
  EXPECT_EQ(done.skipped[1].model_path, "second");
  EXPECT_THAT(done.skipped[1].reason, HasSubstr("no room"));
  EXPECT_EQ(done.bytes, 750u);
  EXPECT_EQ(totals().resident, 750u);
}

TEST_F(TaskProfilesTest, NothingHasToGoForAnOptionalModel) {
  offer("main", 100);
  offer("extra", 300);
  manager_.preload("guest", model({part("guest", 600)}), kCpu);
  tasks_.register_task_profile({"show", {at("main")}, {at("extra")}});
  EXPECT_THAT(tasks_.preload_for_task("show").optional, IsEmpty());
  EXPECT_EQ(manager_.model_status("guest"), ModelStatus::kLoaded);
}

TEST_F(TaskProfilesTest, TheMemoryLimitCountsSharedComponentsOnce) {
  Manager big({{kCpu, 100 * kMiB}}, clock_);
  TaskProfiles tasks(big, clock_, [this](const PreloadConfig& config) { return resolve(config); });
  offer("alto", kMiB, 2 * kMiB);
  offer("tenor", kMiB, 2 * kMiB);
  offer("bass", kMiB, 2 * kMiB);
  tasks.register_task_profile({"duet", {at("alto"), at("tenor")}, {at("bass")}, 3});
  const auto error = caught([&] { tasks.preload_for_task("duet"); });
  EXPECT_EQ(error.code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(error.message, AllOf(HasSubstr("4.0 MiB"), HasSubstr("memory_limit_mb of 3")));
  EXPECT_EQ(big.memory().at(0).totals.used(), 0u);
  tasks.register_task_profile({"duet", {at("alto"), at("tenor")}, {at("bass")}, 4});
  const auto done = tasks.preload_for_task("duet");
  EXPECT_EQ(done.bytes, 4 * kMiB);
  ASSERT_EQ(done.skipped.size(), 1u);
  EXPECT_THAT(done.skipped[0].reason, HasSubstr("memory_limit_mb of 4"));
}

TEST_F(TaskProfilesTest, PreloadingTwiceHoldsOnceAndFollowsTheProfile) {
  offer("alto", 100);
  offer("tenor", 100);
  tasks_.register_task_profile({"solo", {at("alto")}, {}});
  tasks_.preload_for_task("solo");
  tasks_.preload_for_task("solo");
  EXPECT_EQ(holds("alto"), 1);
  tasks_.register_task_profile({"solo", {at("tenor")}, {}});
  EXPECT_EQ(holds("alto"), 1) << "until it is preloaded again";
  tasks_.preload_for_task("solo");
  EXPECT_EQ(holds("alto"), 0);
  EXPECT_EQ(holds("tenor"), 1);
}

TEST_F(TaskProfilesTest, AFailedPreloadKeepsWhatTheTaskHeld) {
  offer("alto", 100);
  tasks_.register_task_profile({"solo", {at("alto")}, {}});
  tasks_.preload_for_task("solo");
  tasks_.register_task_profile({"solo", {at("missing")}, {}});
  caught([&] { tasks_.preload_for_task("solo"); });
  EXPECT_THAT(tasks_.list()[0].held, ElementsAre("alto"));
  EXPECT_FALSE(tasks_.list()[0].preloading);
}

TEST_F(TaskProfilesTest, IdleTasksAreCleanedUpUnlessTheySayOtherwise) {
  offer("alto", 100);
  offer("tenor", 100);
  tasks_.register_task_profile({"tidy", {at("alto")}, {}});
  tasks_.register_task_profile({"stays", {at("tenor")}, {}, 0, false});
  tasks_.preload_for_task("tidy");
  tasks_.preload_for_task("stays");
  clock_.advance(minutes(20));
  tasks_.note_use("alto");
  clock_.advance(minutes(20));
  EXPECT_THAT(tasks_.sweep(minutes(30)), IsEmpty());
  clock_.advance(minutes(10));
  EXPECT_THAT(tasks_.sweep(minutes(30)), ElementsAre("tidy"));
  EXPECT_EQ(holds("tenor"), 1);
  EXPECT_EQ(sink_.events().back().type, EventType::kTaskCleaned);
}

TEST_F(TaskProfilesTest, SaysWhatIsWrongWithAProfile) {
  EXPECT_EQ(caught([&] {
              tasks_.register_task_profile({"", {at("a")}, {}});
            }).code,
            ErrorCode::kInvalidArgument);
  EXPECT_THAT(caught([&] {
                tasks_.register_task_profile({"x", {at("a")}, {at("a")}});
              }).message,
              HasSubstr("named twice"));
  tasks_.register_task_profile({"empty", {}, {}});
  EXPECT_EQ(caught([&] { tasks_.preload_for_task("empty"); }).code, ErrorCode::kFailedPrecondition);
  const auto unknown = caught([&] { tasks_.preload_for_task("nobody"); });
  EXPECT_EQ(unknown.code, ErrorCode::kNotFound);
  EXPECT_THAT(unknown.message, HasSubstr("there is empty"));
}

TEST_F(TaskProfilesTest, RemovingATaskCleansItUp) {
  offer("alto", 100);
  tasks_.register_task_profile({"solo", {at("alto")}, {}});
  tasks_.preload_for_task("solo");
  EXPECT_TRUE(tasks_.remove_task_profile("solo"));
  EXPECT_FALSE(tasks_.remove_task_profile("solo"));
  expect_nothing_left();
}

TEST_F(TaskProfilesTest, ASecondCallerWaitsForTheFirstAndCleanUpDoesNot) {
  test::Gate gate;
  auto slow = part("slow", 100);
  slow.on_load = [&](const LoadControl&) { gate.pass(); };
  models_["slow"] = model({slow});
  tasks_.register_task_profile({"solo", {at("slow")}, {}});
  {
    std::jthread first([&] { tasks_.preload_for_task("solo"); });
    gate.await(1);
    EXPECT_TRUE(tasks_.list()[0].preloading);
    EXPECT_EQ(caught([&] { tasks_.cleanup_for_task("solo"); }).code, ErrorCode::kUnavailable);
    std::jthread second([&] { tasks_.preload_for_task("solo"); });
    gate.open();
  }
  EXPECT_EQ(holds("slow"), 1);
  EXPECT_EQ(models_["slow"]->loads(0), 1);
}

TEST_F(TaskProfilesTest, ManyThreadsPreloadAndCleanUp) {
  for (const char* name : {"a", "b", "c", "d"}) offer(name, 150);
  tasks_.register_task_profile({"one", {at("a"), at("b")}, {at("c")}});
  tasks_.register_task_profile({"two", {at("c"), at("d")}, {at("a")}});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 40; ++i) {
          const std::string task = (t + i) % 2 == 0 ? "one" : "two";
          tasks_.preload_for_task(task);
          EXPECT_LE(totals().used(), 1000u);
          caught([&] { tasks_.cleanup_for_task(task); });
          tasks_.list();
        }
      });
    }
  }
  tasks_.cleanup_for_task("one");
  tasks_.cleanup_for_task("two");
  expect_nothing_left();
}

}  // namespace
}  // namespace greenroom::core
