#include <latch>
#include <optional>
#include <type_traits>

#include "manager_fixture.h"

namespace greenroom::core {
namespace {

using base::ErrorCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

static_assert(!std::is_copy_constructible_v<ModelHold>);

class ManagerGroupTest : public ManagerFixture {
 protected:
  GroupMember member(const std::string& id, std::vector<test::FakePart> parts) const {
    return {id, model(std::move(parts)), kCpu};
  }
  test::FakePart failing(const std::string& name, std::uint64_t bytes) const {
    auto result = part(name, bytes);
    result.on_load = [](const LoadControl&) { throw base::Error(ErrorCode::kDataLoss, "torn file"); };
    return result;
  }
  int holds(const std::string& id) const {
    const auto info = manager_.model_info(id);
    return info ? info->holds : 0;
  }
};

TEST_F(ManagerGroupTest, HoldsEveryMemberAndCountsSharedComponentsOnce) {
  {
    const auto held =
        manager_.load_group("task duet", {member("alice", {part("encoder", 100), part("a", 50)}),
                                          member("bob", {part("encoder", 100), part("b", 60)})});
    ASSERT_EQ(held.size(), 2u);
    EXPECT_EQ(held[1].model_id(), "bob");
    EXPECT_TRUE(held[1].is_effective());
    EXPECT_EQ(totals().resident, 210u);
    EXPECT_EQ(totals().reserved, 0u);
    EXPECT_EQ(holds("alice"), 1);
  }
  EXPECT_THAT(manager_.list(), IsEmpty());
  expect_nothing_left();
}

TEST_F(ManagerGroupTest, ReservesTheSumBeforeItReadsAnything) {
  std::optional<std::uint64_t> seen;
  auto first = part("a", 300);
  first.on_load = [&](const LoadControl&) { seen = totals().used(); };
  manager_.load_group("task duet", {member("alice", {first, part("encoder", 100)}),
                                    member("bob", {part("b", 500), part("encoder", 100)})});
  EXPECT_EQ(seen, 900u);
}

TEST_F(ManagerGroupTest, TwoThatFitAloneButNotTogetherAreRefusedUnread) {
  const auto alice = member("alice", {part("a", 600)});
  const auto bob = member("bob", {part("b", 600)});
  const auto error = caught([&] { manager_.load_group("task duet", {alice, bob}); });
  EXPECT_EQ(error.code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(error.message, AllOf(HasSubstr("task duet"), HasSubstr("needs 1.2 KiB")));
  const auto& model = static_cast<const test::FakeModel&>(*alice.model);
  EXPECT_EQ(model.loads(0), 0);
  EXPECT_THAT(manager_.list(), IsEmpty());
  expect_nothing_left();
}

TEST_F(ManagerGroupTest, LoadsItsMembersSideBySide) {
  std::latch both(2);
  const auto meet = [&](const LoadControl&) { both.arrive_and_wait(); };
  auto a = part("a", 100);
  auto b = part("b", 100);
  a.on_load = b.on_load = meet;
  manager_.load_group("task duet", {member("alice", {a}), member("bob", {b})});
}

TEST_F(ManagerGroupTest, WhenOneFailsNoneIsHeldAndNothingIsLeft) {
  for (int broken = 0; broken < 3; ++broken) {
    std::vector<GroupMember> members;
    for (int i = 0; i < 3; ++i) {
      const std::string name = "voice" + std::to_string(i);
      members.push_back(
          member(name, {part("encoder", 100), i == broken ? failing(name, 50) : part(name, 50)}));
    }
    const auto error = caught([&] { manager_.load_group("task trio", members); });
    EXPECT_EQ(error.code, ErrorCode::kDataLoss);
    EXPECT_THAT(error.message, AllOf(HasSubstr("task trio"), HasSubstr("torn file")));
    expect_nothing_left();
    for (const ModelInfo& info : manager_.list()) {
      EXPECT_EQ(info.status, ModelStatus::kError) << info.id;
      EXPECT_THAT(info.error, HasSubstr("torn file"));
      EXPECT_THAT(info.remedy, HasSubstr("copy it again"));
    }
  }
}

TEST_F(ManagerGroupTest, WhenOneFailsTheOthersAreAsTheyWereFound) {
  const auto idle = model({part("idle", 100)});
  const auto held = model({part("held", 100)});
  manager_.preload("idle", idle, kCpu);
  manager_.load("held", held, kCpu);
  EXPECT_EQ(caught([&] {
              manager_.load_group(
                  "task trio",
                  {{"idle", idle, kCpu}, {"held", held, kCpu}, member("broken", {failing("broken", 50)})});
            }).code,
            ErrorCode::kDataLoss);
  EXPECT_EQ(manager_.model_status("idle"), ModelStatus::kLoaded);
  EXPECT_EQ(holds("idle"), 0);
  EXPECT_EQ(holds("held"), 1);
}

TEST_F(ManagerGroupTest, WhoWaitsForAMemberGetsItThoughTheGroupFails) {
  test::Gate gate;
  auto slow = part("slow", 100);
  slow.on_load = [&](const LoadControl&) { gate.pass(); };
  const auto alice = model({slow});
  std::jthread group([&] {
    caught([&] {
      manager_.load_group("task duet", {{"alice", alice, kCpu}, member("broken", {failing("broken", 50)})});
    });
  });
  gate.await(1);
  std::jthread single([&] { manager_.load("alice", alice, kCpu); });
  await_waiting("alice", 2);
  gate.open();
  group.join();
  single.join();
  EXPECT_EQ(holds("alice"), 1);
  EXPECT_EQ(alice->loads(0), 1);
}

TEST_F(ManagerGroupTest, NobodyElseTakesAnOwnedHoldOff) {
  const auto alice = member("alice", {part("a", 100)});
  const auto held = manager_.load_group("task solo", {alice});
  manager_.load("alice", alice.model, kCpu);
  manager_.unload("alice");
  const auto error = caught([&] { manager_.unload("alice"); });
  EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.message, HasSubstr("kept by a hold"));
  EXPECT_TRUE(held[0].is_effective());
}

TEST_F(ManagerGroupTest, AForcedUnloadTakesItAndWhatIsLoadedLaterIsNotTouched) {
  const auto alice = member("alice", {part("a", 100)});
  {
    const auto held = manager_.load_group("task solo", {alice});
    manager_.unload("alice", UnloadMode::kForce);
    EXPECT_FALSE(held[0].is_effective());
    manager_.load("alice", alice.model, kCpu);
    EXPECT_FALSE(held[0].is_effective());
  }
  EXPECT_EQ(holds("alice"), 1);
}

TEST_F(ManagerGroupTest, AHoldMayEndWithTheModelLeftIdle) {
  auto held = manager_.load_group("task solo", {member("alice", {part("a", 100)})});
  held[0].leave_idle();
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
  EXPECT_EQ(holds("alice"), 0);
  held.clear();
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
}

TEST_F(ManagerGroupTest, AnIdNamedTwiceIsAnError) {
  const auto alice = member("alice", {part("a", 100)});
  EXPECT_EQ(caught([&] {
              manager_.load_group("task twin", {alice, alice});
            }).code,
            ErrorCode::kInvalidArgument);
}

TEST_F(ManagerGroupTest, ManyGroupsAtOnceNeverDeadlockAndNeverOverfill) {
  std::vector<GroupMember> members;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "voice" + std::to_string(i);
    members.push_back(member(name, {part("encoder", 100), part(name, 150)}));
  }
  std::atomic<int> loaded = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) {
          std::vector<GroupMember> chosen;
          for (int k = 0; k < 3; ++k) chosen.push_back(members[(t + i + 2 * k) % 6]);
          caught([&] {
            const auto held = manager_.load_group("task " + std::to_string(t), chosen);
            ++loaded;
          });
          EXPECT_LE(totals().used(), 1000u);
        }
      });
    }
  }
  EXPECT_GT(loaded, 0);
  EXPECT_LE(heap_->peak(), 1000u);
  expect_nothing_left();
}

}  // namespace
}  // namespace greenroom::core
