// Pins, keep-alive times and the three clean-ups.
#include <algorithm>

#include "manager_fixture.h"

namespace greenroom::core {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class CleanupTest : public ManagerFixture {
 protected:
  // Loaded, idle, and so for `idle` already.
  void leave_idle(const std::string& id, std::uint64_t bytes, std::chrono::nanoseconds idle = {}) {
    manager_.preload(id, model({part(id, bytes)}), kCpu);
    clock_.advance(idle);
  }
  std::vector<Event> events(EventType type) const {
    auto all = sink_.events();
    std::erase_if(all, [type](const Event& event) { return event.type != type; });
    return all;
  }
};

TEST_F(CleanupTest, APreloadLeavesTheModelReadyAndFreeToGo) {
  leave_idle("alice", 400);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
  EXPECT_EQ(manager_.model_info("alice")->holds, 0);
  EXPECT_EQ(sink_.types().front(), EventType::kPreloadRequested);
  EXPECT_EQ(manager_.lease("alice", 0).component(0).bytes(), 400u);
  manager_.load("bob", model({part("b", 700)}), kCpu);
  EXPECT_THAT(kinds(), ElementsAre("b"));
}

TEST_F(CleanupTest, APreloadTakesNoHoldFromWhoHasOne) {
  const auto alice = model({part("a", 400)});
  manager_.load("alice", alice, kCpu);
  manager_.preload("alice", alice, kCpu);
  EXPECT_EQ(manager_.model_info("alice")->holds, 1);
  manager_.unload("alice");
  expect_nothing_left();
}

TEST_F(CleanupTest, OneOfTheCallersOfACommonLoadIsEnoughToHold) {
  test::Gate gate;
  test::FakePart slow = part("a", 100);
  slow.on_load = [&](const LoadControl&) { gate.pass(); };
  const auto alice = model({slow});
  {
    const std::jthread first([&] { manager_.preload("alice", alice, kCpu); });
    gate.await(1);
    const std::jthread second([&] { manager_.load("alice", alice, kCpu); });
    await_waiting("alice", 2);
    gate.open();
  }
  EXPECT_EQ(manager_.model_info("alice")->holds, 1);
}

TEST_F(CleanupTest, ASweepFreesWhatNobodyUsedSinceTheTimeOut) {
  leave_idle("alice", 100, minutes(20));
  leave_idle("bob", 200, minutes(20));
  EXPECT_EQ(manager_.sweep(minutes(30)), 100u);
  EXPECT_THAT(kinds(), ElementsAre("bob"));
  const auto cleaned = events(EventType::kAutoCleanup);
  ASSERT_EQ(cleaned.size(), 1u);
  EXPECT_EQ(cleaned[0].bytes, 100u);
  EXPECT_EQ(events(EventType::kUnloadCompleted).at(0).cause, "swept, idle 2400 s");
  EXPECT_EQ(manager_.sweep(minutes(30)), 0u);
  EXPECT_EQ(events(EventType::kAutoCleanup).size(), 1u) << "nothing freed, nothing said";
}

TEST_F(CleanupTest, IdleTimeCountsFromTheEndOfTheLastUse) {
  leave_idle("alice", 100, minutes(20));
  {
    const Lease lease = manager_.lease("alice", 0);
    clock_.advance(minutes(60));
    EXPECT_EQ(manager_.sweep(minutes(30)), 0u) << "in use";
  }
  clock_.advance(minutes(29));
  EXPECT_EQ(manager_.sweep(minutes(30)), 0u);
  manager_.touch("alice");  // a request that waits for its turn
  clock_.advance(minutes(29));
  EXPECT_EQ(manager_.sweep(minutes(30)), 0u);
  clock_.advance(minutes(1));
  EXPECT_EQ(manager_.sweep(minutes(30)), 100u);
  expect_nothing_left();
}

TEST_F(CleanupTest, ASweepLeavesWhatIsHeld) {
  manager_.load("alice", model({part("a", 100)}), kCpu);
  clock_.advance(minutes(60));
  EXPECT_EQ(manager_.sweep(minutes(30)), 0u);
  EXPECT_EQ(manager_.trim(kCpu), 0u);
}

TEST_F(CleanupTest, ASweepFreesWhatAnEvictedModelLeftBehind) {
  manager_.preload("alice", model({part("encoder", 600), part("voice", 100)}), kCpu);
  manager_.load("bob", model({part("b", 800)}), kCpu);
  EXPECT_THAT(kinds(), UnorderedElementsAre("b", "voice"));
  clock_.advance(minutes(30));
  EXPECT_EQ(manager_.sweep(minutes(30)), 100u);
  EXPECT_THAT(kinds(), ElementsAre("b"));
}

TEST_F(CleanupTest, AModelsOwnKeepAliveTimeWins) {
  manager_.configure("short", {.keep_alive = minutes(5)});
  manager_.configure("forever", {.keep_alive = ModelSettings::kForever});
  for (const auto* id : {"short", "usual", "forever"}) leave_idle(id, 100);
  clock_.advance(minutes(5));
  EXPECT_EQ(manager_.sweep(minutes(30)), 100u);
  EXPECT_EQ(manager_.model_status("short"), ModelStatus::kUnloaded);
  clock_.advance(std::chrono::hours(1000));
  EXPECT_EQ(manager_.sweep(minutes(30)), 100u);
  EXPECT_THAT(kinds(), ElementsAre("forever"));
  manager_.configure("forever", {});
  EXPECT_EQ(manager_.sweep(minutes(30)), 100u);
}

TEST_F(CleanupTest, AKeepAliveTimeOfZeroEndsTheModelWithItsLastUse) {
  manager_.configure("alice", {.keep_alive = seconds(0)});
  const auto alice = model({part("a", 100)});
  manager_.load("alice", alice, kCpu);
  {
    const Lease lease = manager_.lease("alice", 0);
    manager_.unload("alice", UnloadMode::kKeep);
    EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
  }
  expect_nothing_left();
  manager_.load("alice", alice, kCpu);
  manager_.unload("alice", UnloadMode::kKeep);
  expect_nothing_left();
  leave_idle("bob", 100);
  manager_.configure("bob", {.keep_alive = seconds(0)});
  expect_nothing_left();
}

TEST_F(CleanupTest, NothingPinnedIsEvictedSweptTrimmedOrRelieved) {
  manager_.configure("alice", {.pin = true});
  leave_idle("alice", 600, std::chrono::hours(9));
  EXPECT_TRUE(manager_.settings("alice").pin);
  EXPECT_EQ(manager_.sweep(minutes(30)), 0u);
  EXPECT_EQ(manager_.trim(kCpu), 0u);
  EXPECT_EQ(manager_.relieve(kCpu, 100, "full"), 0u);
  EXPECT_EQ(caught([&] { manager_.load("bob", model({part("b", 500)}), kCpu); }).code,
            base::ErrorCode::kResourceExhausted);
  EXPECT_THAT(kinds(), ElementsAre("alice"));

  manager_.configure("alice", {});
  EXPECT_EQ(manager_.relieve(kCpu, 100, "full"), 600u);
  expect_nothing_left();
}

TEST_F(CleanupTest, APinProtectsWhatOthersShareAndEndsWithAnUnload) {
  manager_.preload("alice", model({part("encoder", 300), part("a", 100)}), kCpu);
  manager_.preload("bob", model({part("encoder", 300), part("b", 100)}), kCpu);
  manager_.configure("alice", {.pin = true});
  EXPECT_EQ(manager_.trim(kCpu), 100u);
  EXPECT_THAT(kinds(), UnorderedElementsAre("a", "encoder"));
  manager_.unload("alice");
  expect_nothing_left();
  EXPECT_TRUE(manager_.settings("alice").pin) << "for the next time";
}

TEST_F(CleanupTest, APressureCleanUpFreesAtOnceAndNoMoreThanIsAskedFor) {
  for (const auto* id : {"a", "b", "c"}) leave_idle(id, 100, seconds(1));
  EXPECT_EQ(manager_.relieve(kCpu, 150, "cpu is 91 % full"), 200u);
  EXPECT_THAT(kinds(), ElementsAre("c"));
  EXPECT_EQ(events(EventType::kEvicted).at(0).cause, "cpu is 91 % full, idle 3 s");
  EXPECT_EQ(events(EventType::kAutoCleanup).at(0).cause, "cpu is 91 % full");
  EXPECT_EQ(manager_.relieve(kCpu, 0, "nothing asked"), 0u);
}

TEST_F(CleanupTest, AnEvictionSaysForWhomAndHowLongItWasIdle) {
  leave_idle("alice", 600, seconds(41));
  manager_.load("bob", model({part("b", 600)}), kCpu);
  EXPECT_EQ(events(EventType::kEvicted).at(0).cause, "for loading 'bob', idle 41 s");
  EXPECT_EQ(events(EventType::kUnloadCompleted).at(0).cause,
            "alice (alice.pt) was evicted for loading 'bob', idle 41 s");
}

TEST_F(CleanupTest, OthersEventsAreNumberedAmongTheManagers) {
  leave_idle("alice", 100);
  const auto last = sink_.events().back().sequence;
  manager_.publish({.type = EventType::kAlert, .device = kCpu, .message = "hot"});
  EXPECT_EQ(sink_.events().back().sequence, last + 1);
  EXPECT_EQ(sink_.events().back().message, "hot");
}

}  // namespace
}  // namespace greenroom::core
