#include "core/manager.h"

#include <algorithm>
#include <latch>
#include <type_traits>

#include "manager_fixture.h"

namespace greenroom::core {
namespace {

using base::ErrorCode;
using test::Gate;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

static_assert(!std::is_copy_constructible_v<Manager> && !std::is_move_constructible_v<Manager>);

class ManagerTest : public ManagerFixture {
 protected:
  // Runs `action` on `count` threads at once.
  static std::vector<std::jthread> start(int count, const std::function<void(int)>& action) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back([action, i] { action(i); });
    return threads;
  }
  static std::jthread start(const std::function<void()>& action) { return std::jthread(action); }

  test::FakePart gated(const std::string& name, std::uint64_t bytes, Gate& gate) const {
    test::FakePart result = part(name, bytes);
    result.on_load = [&gate](const LoadControl&) { gate.pass(); };
    return result;
  }

  // Comes to the gate and returns once its load is cancelled.
  test::FakePart cancellable(const std::string& name, std::uint64_t bytes, Gate& gate) const {
    test::FakePart result = part(name, bytes);
    gate.open();
    result.on_load = [&gate](const LoadControl& control) {
      gate.pass();
      while (!*control.cancelled) std::this_thread::yield();
      throw base::Error(ErrorCode::kCancelled, "stopped reading");
    };
    return result;
  }
};

TEST_F(ManagerTest, LoadsAndUnloads) {
  manager_.load("alice", model({part("encoder", 100), part("voice", 50)}), kCpu);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
  EXPECT_EQ(totals().resident, 150u);
  EXPECT_EQ(totals().reserved, 0u);
  const auto info = manager_.model_info("alice");
  EXPECT_EQ(info->holds, 1);
  EXPECT_EQ(info->bytes, 150u);
  EXPECT_EQ(info->components.size(), 2u);

  manager_.unload("alice");
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kUnloaded);
  EXPECT_TRUE(manager_.list().empty());
  expect_nothing_left();
}

TEST_F(ManagerTest, CountsHolds) {
  const auto alice = model({part("voice", 50)});
  manager_.load("alice", alice, kCpu);
  manager_.load("alice", alice, kCpu);
  EXPECT_EQ(alice->loads(0), 1);
  manager_.unload("alice");
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
  manager_.unload("alice");
  expect_nothing_left();
  EXPECT_EQ(caught([&] { manager_.unload("alice"); }).code, ErrorCode::kNotFound);
}

TEST_F(ManagerTest, TwoModelsShareTheComponentTheyBothName) {
  const auto alice = model({part("encoder", 100), part("voice_a", 50)});
  const auto bob = model({part("encoder", 100), part("voice_b", 60)});
  manager_.load("alice", alice, kCpu);
  manager_.load("bob", bob, kCpu);
  EXPECT_EQ(bob->loads(0), 0);
  EXPECT_EQ(totals().resident, 210u);
  ASSERT_EQ(components().size(), 3u);
  EXPECT_THAT(components()[0].holders, ElementsAre("alice", "bob"));

  manager_.unload("alice");
  EXPECT_EQ(totals().resident, 160u);
  EXPECT_EQ(manager_.lease("bob", 0).component(0).bytes(), 100u);
  manager_.unload("bob");
  expect_nothing_left();
}

TEST_F(ManagerTest, AModelMayNameOneComponentTwice) {
  const auto twin = model({part("encoder", 100), part("encoder", 100)});
  manager_.load("twin", twin, kCpu);
  EXPECT_EQ(twin->loads(0) + twin->loads(1), 1);
  EXPECT_EQ(totals().resident, 100u);
  EXPECT_EQ(manager_.model_info("twin")->bytes, 100u);
  { const Lease lease = manager_.lease("twin", kAllStages); }
  manager_.unload("twin");
  expect_nothing_left();
}

TEST_F(ManagerTest, TenThreadsLoadAModelOnce) {
  Gate gate;
  const auto alice = model({gated("encoder", 100, gate)});
  {
    const auto threads = start(10, [&](int) { manager_.load("alice", alice, kCpu); });
    gate.await(1);
    await_waiting("alice", 10);
    EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoading);
    EXPECT_EQ(totals().reserved, 100u) << "before it is read";
    gate.open();
  }
  EXPECT_EQ(alice->loads(0), 1);
  EXPECT_EQ(manager_.model_info("alice")->holds, 10);
}

TEST_F(ManagerTest, TenModelsReadTheirCommonComponentOnce) {
  Gate gate;
  std::vector<std::shared_ptr<test::FakeModel>> models;
  for (int i = 0; i < 10; ++i) {
    models.push_back(model({gated("encoder", 100, gate), part("voice" + std::to_string(i), 10)}));
  }
  {
    const auto threads = start(10, [&](int i) { manager_.load(std::to_string(i), models[i], kCpu); });
    await([&] {
      const auto all = components();
      return !all.empty() && all[0].holders.size() == 10;
    });
    gate.open();
  }
  int loads = 0;
  for (const auto& each : models) loads += each->loads(0);
  EXPECT_EQ(loads, 1);
  EXPECT_EQ(totals().resident, 200u);
}

TEST_F(ManagerTest, CoalescedLoadsFailWithTheSameErrorAndLeaveNothing) {
  Gate gate;
  std::atomic<bool> broken = true;
  test::FakePart encoder = part("encoder", 100);
  encoder.on_load = [&](const LoadControl&) {
    gate.pass();
    if (broken) throw base::Error(ErrorCode::kDataLoss, "encoder.pt: truncated");
  };
  const auto alice = model({part("voice", 50), encoder});
  const auto bob = model({encoder});
  std::vector<Caught> results(5);
  {
    const auto threads = start(5, [&](int i) {
      results[i] = i < 4 ? caught([&] { manager_.load("alice", alice, kCpu); })
                         : caught([&] { gate.await(1), manager_.load("bob", bob, kCpu); });
    });
    await_waiting("alice", 4);
    await_waiting("bob", 1);
    await([&] { return std::ranges::any_of(components(), [](auto& c) { return c.holders.size() == 2; }); });
    gate.open();
  }
  for (const Caught& result : results) {
    EXPECT_EQ(result.code, ErrorCode::kDataLoss);
    EXPECT_EQ(result.message, "encoder.pt: truncated");
  }
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kError);
  EXPECT_EQ(manager_.model_info("alice")->error, "encoder.pt: truncated");
  EXPECT_EQ(manager_.model_info("alice")->holds, 0);
  EXPECT_THAT(caught([&] { manager_.lease("alice", 0); }).message, HasSubstr("encoder.pt: truncated"));
  expect_nothing_left();

  broken = false;
  manager_.load("alice", alice, kCpu);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
  EXPECT_EQ(manager_.model_info("alice")->error, "");
  EXPECT_EQ(totals().resident, 150u);
}

TEST_F(ManagerTest, ErrorsThatAreNotOursBecomeOurs) {
  test::FakePart odd = part("odd", 10);
  odd.on_load = [](const LoadControl&) { throw std::runtime_error("c10 says no"); };
  const auto failed = caught([&] { manager_.load("x", model({odd}), kCpu); });
  EXPECT_EQ(failed.code, ErrorCode::kInternal);
  EXPECT_EQ(failed.message, "c10 says no");
  odd.on_load = [](const LoadControl&) { throw std::bad_alloc(); };
  EXPECT_EQ(caught([&] { manager_.load("x", model({odd}), kCpu); }).code, ErrorCode::kResourceExhausted);
  expect_nothing_left();
}

TEST_F(ManagerTest, AMissingFileFailsAndTheErrorIsForgottenByUnload) {
  test::FakePart gone = part("gone", 10);
  std::filesystem::remove(gone.file);
  EXPECT_EQ(caught([&] { manager_.load("x", model({gone}), kCpu); }).code, ErrorCode::kNotFound);
  EXPECT_EQ(manager_.model_status("x"), ModelStatus::kError);
  manager_.unload("x");
  EXPECT_EQ(manager_.model_status("x"), ModelStatus::kUnloaded);
}

TEST_F(ManagerTest, TheWaitingLoadTakesOverWhatAFailedOneLeaves) {
  Gate fails, reads;
  test::FakePart broken = part("broken", 10);
  broken.on_load = [&](const LoadControl&) {
    fails.pass();
    throw base::Error(ErrorCode::kDataLoss, "broken");
  };
  const auto alice = model({broken, part("encoder", 100)});
  const auto bob = model({gated("own", 10, reads), part("encoder", 100)});
  {
    const auto first =
        start([&] { EXPECT_EQ(caught([&] { manager_.load("alice", alice, kCpu); }).message, "broken"); });
    fails.await(1);
    const auto second = start([&] { manager_.load("bob", bob, kCpu); });
    reads.await(1);
    fails.open();
    await([&] { return manager_.model_status("alice") == ModelStatus::kError; });
    EXPECT_EQ(totals().reserved, 110u) << "alice's failure does not take the encoder from bob";
    reads.open();
  }
  EXPECT_EQ(manager_.model_status("bob"), ModelStatus::kLoaded);
  EXPECT_EQ(bob->loads(1), 1);
  EXPECT_EQ(totals().resident, 110u);
}

TEST_F(ManagerTest, ALeaseOfAResidentModelDoesNotWaitForAnothersLoad) {
  Gate gate;
  manager_.load("alice", model({part("voice", 50)}), kCpu);
  const auto bob = model({gated("other", 100, gate)});
  const auto loading = start([&] { manager_.load("bob", bob, kCpu); });
  gate.await(1);
  EXPECT_EQ(manager_.lease("alice", kAllStages, 10).component(0).bytes(), 50u);
  manager_.load("carol", model({part("third", 10)}), kCpu);
  EXPECT_EQ(manager_.model_status("carol"), ModelStatus::kLoaded) << "nor does another load";
  EXPECT_EQ(caught([&] { manager_.lease("bob", 0); }).code, ErrorCode::kFailedPrecondition);
  gate.open();
}

TEST_F(ManagerTest, RefusesWhatDoesNotFitBeforeAnythingIsRead) {
  manager_.load("alice", model({part("encoder", 600)}), kCpu);
  const auto bob = model({part("encoder", 600), part("voice", 300), part("vocoder", 101)});
  const auto refused = caught([&] { manager_.load("bob", bob, kCpu); });
  EXPECT_EQ(refused.code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(
      refused.message,
      "cpu: loading 'bob' needs 401 B (voice (voice.pt) 300 B, vocoder (vocoder.pt) 101 B), but 400 B of "
      "1000 B"
      " is free. Held: encoder (encoder.pt) 600 B for alice. Unload alice, or raise the budget of cpu.");
  EXPECT_EQ(bob->loads(1), 0);
  EXPECT_EQ(totals().used(), 600u);
  EXPECT_EQ(heap_->peak(), 600u);

  manager_.unload("alice");
  const auto small = model({part("encoder", 600), part("voice", 300)});
  EXPECT_NO_THROW(manager_.load("bob", small, kCpu));
}

TEST_F(ManagerTest, ConcurrentLoadsNeverReserveMoreThanThereIs) {
  Gate gate;
  const auto alice = model({gated("a", 600, gate)});
  const auto loading = start([&] { manager_.load("alice", alice, kCpu); });
  gate.await(1);
  const auto refused = caught([&] { manager_.load("bob", model({part("b", 600)}), kCpu); });
  EXPECT_EQ(refused.code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.message, HasSubstr("a (a.pt) 600 B loading for alice"));
  gate.open();
}

TEST_F(ManagerTest, UnknownDevicesAreNamed) {
  const auto failed = caught([&] { manager_.load("alice", model({part("a", 1)}), kGpu); });
  EXPECT_EQ(failed.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(failed.message, "there is no device cuda:0 here; there is cpu");
}

TEST_F(ManagerTest, TheRealSizeReplacesTheReservation) {
  test::FakePart small = part("small", 100), large = part("large", 100);
  small.actual_bytes = 80;
  large.actual_bytes = 130;
  manager_.load("alice", model({small, large}), kCpu);
  EXPECT_EQ(totals().resident, 210u);
  EXPECT_EQ(manager_.model_info("alice")->bytes, 210u);
  manager_.unload("alice");
  expect_nothing_left();
}

TEST_F(ManagerTest, AnUnloadDrainsBehindRunningLeases) {
  for (const UnloadMode mode : {UnloadMode::kFree, UnloadMode::kForce}) {
    const auto alice = model({part("encoder", 100), part("voice", 50)});
    manager_.load("alice", alice, kCpu);
    if (mode == UnloadMode::kForce) manager_.load("alice", alice, kCpu);
    {
      const Lease lease = manager_.lease("alice", 1);
      manager_.unload("alice", mode);
      EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kUnloading);
      EXPECT_EQ(caught([&] { manager_.lease("alice", 1); }).code, ErrorCode::kFailedPrecondition);
      EXPECT_EQ(lease.component(1).bytes(), 50u);
      manager_.unload("alice", mode);  // again: nothing to do
      EXPECT_EQ(totals().resident, 150u);
    }
    EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kUnloaded);
    expect_nothing_left();
  }
}

TEST_F(ManagerTest, ALoadDuringTheDrainBringsTheModelBack) {
  const auto alice = model({part("voice", 50)});
  manager_.load("alice", alice, kCpu);
  {
    const Lease lease = manager_.lease("alice", 0);
    manager_.unload("alice", UnloadMode::kForce);
    manager_.load("alice", alice, kCpu);
    EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
  }
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
  EXPECT_EQ(alice->loads(0), 1) << "it never left the memory";
  manager_.unload("alice");
  expect_nothing_left();
}

TEST_F(ManagerTest, AChangedFileIsReadAnewBesideTheOldOne) {
  const test::FakePart shared = part("encoder", 100);
  const auto old_voice = model({shared, part("voice", 50)});
  manager_.load("alice", old_voice, kCpu);
  Lease running = manager_.lease("alice", 1);
  LoadedComponent* const old_weights = &running.component(1);

  files_.write("voice.pt", "retrained weights");
  const auto new_voice = model({shared, {.kind = "voice", .file = files_ / "voice.pt", .bytes = 60}});
  manager_.load("alice", new_voice, kCpu);
  EXPECT_EQ(new_voice->loads(0), 0);
  EXPECT_EQ(new_voice->loads(1), 1);
  EXPECT_EQ(totals().resident, 210u);
  EXPECT_EQ(&running.component(1), old_weights);
  EXPECT_EQ(manager_.lease("alice", 1).component(1).bytes(), 60u);
  EXPECT_EQ(manager_.model_info("alice")->holds, 2) << "the holds on the old one are kept";

  running = Lease();
  EXPECT_EQ(totals().resident, 160u);
  manager_.unload("alice", UnloadMode::kForce);
  expect_nothing_left();
}

TEST_F(ManagerTest, AFailedReloadLeavesTheOldOneInUse) {
  manager_.load("alice", model({part("voice", 50)}), kCpu);
  files_.write("voice.pt", "half a file");
  test::FakePart broken{.kind = "voice", .file = files_ / "voice.pt", .bytes = 60};
  broken.on_load = [](const LoadControl&) { throw base::Error(ErrorCode::kDataLoss, "truncated"); };
  EXPECT_EQ(caught([&] { manager_.load("alice", model({broken}), kCpu); }).code, ErrorCode::kDataLoss);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
  EXPECT_EQ(manager_.model_info("alice")->error, "truncated");
  EXPECT_EQ(manager_.lease("alice", 0).component(0).bytes(), 50u);
}

TEST_F(ManagerTest, AnIdOfOtherFilesIsTaken) {
  manager_.load("alice", model({part("voice", 50)}), kCpu);
  EXPECT_EQ(caught([&] { manager_.load("alice", model({part("other", 50)}), kCpu); }).code,
            ErrorCode::kFailedPrecondition);
  EXPECT_EQ(caught([&] { manager_.load("alice", model({part("voice", 50)}, "another"), kCpu); }).code,
            ErrorCode::kFailedPrecondition);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
}

TEST_F(ManagerTest, AKeptModelStaysReadyUntilSomebodyNeedsTheRoom) {
  const auto alice = model({part("a", 400)});
  manager_.load("alice", alice, kCpu);
  manager_.unload("alice", UnloadMode::kKeep);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
  EXPECT_EQ(manager_.model_info("alice")->holds, 0);
  EXPECT_EQ(manager_.lease("alice", 0).component(0).bytes(), 400u);

  clock_.advance(std::chrono::seconds(1));
  manager_.load("bob", model({part("b", 400)}), kCpu);
  manager_.unload("bob", UnloadMode::kKeep);
  manager_.load("carol", model({part("c", 300)}), kCpu);
  EXPECT_THAT(kinds(), UnorderedElementsAre("b", "c")) << "alice was used least recently";
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kUnloaded);
  EXPECT_THAT(sink_.types(), Contains(EventType::kEvicted));
  EXPECT_LE(heap_->peak(), 1000u);

  manager_.load("alice", alice, kCpu);
  EXPECT_EQ(alice->loads(0), 2);
}

TEST_F(ManagerTest, LeasedAndHeldComponentsAreNeverEvicted) {
  manager_.load("held", model({part("a", 400)}), kCpu);
  manager_.load("leased", model({part("b", 400)}), kCpu);
  const Lease lease = manager_.lease("leased", 0);
  manager_.unload("leased", UnloadMode::kKeep);
  EXPECT_EQ(caught([&] { manager_.load("carol", model({part("c", 300)}), kCpu); }).code,
            ErrorCode::kResourceExhausted);
  EXPECT_THAT(kinds(), UnorderedElementsAre("a", "b"));
}

TEST_F(ManagerTest, ALoadDoesNotEvictWhatItNeedsItself) {
  manager_.load("alice", model({part("encoder", 400)}), kCpu);
  manager_.unload("alice", UnloadMode::kKeep);
  const auto bob = model({part("encoder", 400), part("voice", 700)});
  EXPECT_EQ(caught([&] { manager_.load("bob", bob, kCpu); }).code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
}

TEST_F(ManagerTest, WhatAnEvictedModelLeavesIsStillThereForTheNextLoad) {
  const auto alice = model({part("encoder", 400), part("voice", 300)});
  manager_.load("alice", alice, kCpu);
  manager_.unload("alice", UnloadMode::kKeep);
  manager_.load("bob", model({part("b", 700)}), kCpu);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kUnloaded);
  EXPECT_THAT(kinds(), UnorderedElementsAre("b", "voice"));
  manager_.unload("bob");
  manager_.load("alice", alice, kCpu);
  EXPECT_EQ(alice->loads(0), 2);
  EXPECT_EQ(alice->loads(1), 1);
  manager_.unload("alice");
  expect_nothing_left();
}

TEST_F(ManagerTest, AFailedLoadTakesNothingAwayThatWasIdleBefore) {
  manager_.load("alice", model({part("encoder", 400), part("voice", 300)}), kCpu);
  manager_.unload("alice", UnloadMode::kKeep);
  manager_.load("bob", model({part("b", 700)}), kCpu);
  manager_.unload("bob");
  ASSERT_THAT(kinds(), ElementsAre("voice"));
  test::FakePart broken = part("broken", 10);
  broken.on_load = [](const LoadControl&) { throw base::Error(ErrorCode::kDataLoss, "broken"); };
  EXPECT_EQ(caught([&] {
              manager_.load("carol", model({part("voice", 300), broken}), kCpu);
            }).message,
            "broken");
  EXPECT_THAT(kinds(), ElementsAre("voice"));
}

TEST_F(ManagerTest, AnUnloadEndsWhatAnEarlierOneKept) {
  const auto alice = model({part("voice", 50)});
  manager_.load("alice", alice, kCpu);
  manager_.unload("alice", UnloadMode::kKeep);
  manager_.load("alice", alice, kCpu);
  manager_.unload("alice");
  expect_nothing_left();
}

TEST_F(ManagerTest, UnloadingAModelLeavesWhatAnIdleOneStillConsistsOf) {
  manager_.load("alice", model({part("encoder", 100)}), kCpu);
  manager_.unload("alice", UnloadMode::kKeep);
  manager_.load("bob", model({part("encoder", 100), part("voice", 50)}), kCpu);
  manager_.unload("bob");
  EXPECT_EQ(totals().resident, 100u);
  EXPECT_EQ(manager_.lease("alice", 0).component(0).bytes(), 100u);
  manager_.unload("alice");
  expect_nothing_left();
}

TEST_F(ManagerTest, TrimFreesEverythingIdle) {
  manager_.load("alice", model({part("encoder", 100), part("voice", 50)}), kCpu);
  manager_.load("bob", model({part("encoder", 100)}), kCpu);
  manager_.unload("alice", UnloadMode::kKeep);
  EXPECT_EQ(manager_.trim(kCpu), 50u);
  EXPECT_THAT(kinds(), ElementsAre("encoder"));
  manager_.unload("bob", UnloadMode::kKeep);
  EXPECT_EQ(manager_.trim(kCpu), 100u);
  expect_nothing_left();
}

TEST_F(ManagerTest, ALoadWaitsForMemoryThatIsBeingFreed) {
  Gate freeing;
  test::FakePart slow = part("slow", 800);
  slow.on_free = [&] {
    manager_.memory();  // no lock is held while weights are freed
    freeing.pass();
  };
  manager_.load("alice", model({slow}), kCpu);
  const auto unloading = start([&] { manager_.unload("alice"); });
  freeing.await(1);
  EXPECT_EQ(totals().resident, 800u) << "charged until it is really gone";
  EXPECT_EQ(components().at(0).state, ComponentState::kFreeing);
  const auto loading = start([&] { manager_.load("bob", model({part("b", 800)}), kCpu); });
  await_waiting("bob", 1);
  freeing.open();
  await([&] { return manager_.model_status("bob") == ModelStatus::kLoaded; });
  EXPECT_LE(heap_->peak(), 1000u);
}

TEST_F(ManagerTest, ACancelledLoadLeavesNothing) {
  Gate gate;
  const auto alice = model({cancellable("encoder", 100, gate), part("voice", 50)});
  std::vector<Caught> results(3);
  {
    const auto threads =
        start(3, [&](int i) { results[i] = caught([&] { manager_.load("alice", alice, kCpu); }); });
    gate.await(1);
    await_waiting("alice", 3);
    EXPECT_EQ(caught([&] { manager_.unload("alice"); }).code, ErrorCode::kFailedPrecondition);
    manager_.unload("alice", UnloadMode::kForce);
  }
  for (const Caught& result : results) EXPECT_EQ(result.code, ErrorCode::kCancelled);
  EXPECT_EQ(alice->loads(1), 0);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kUnloaded) << "no error either";
  expect_nothing_left();
}

TEST_F(ManagerTest, ACancelledLoadStillReadsWhatOthersWaitFor) {
  Gate gate;
  const auto alice = model({gated("encoder", 100, gate), part("voice", 50)});
  const auto bob = model({part("encoder", 100)});
  {
    const auto first = start(
        [&] { EXPECT_EQ(caught([&] { manager_.load("alice", alice, kCpu); }).code, ErrorCode::kCancelled); });
    gate.await(1);
    const auto second = start([&] { manager_.load("bob", bob, kCpu); });
    await([&] { return components().at(0).holders.size() == 2; });
    manager_.cancel_load("alice");
    EXPECT_EQ(totals().reserved, 100u) << "the voice is not wanted any more";
    gate.open();
  }
  EXPECT_EQ(manager_.model_status("bob"), ModelStatus::kLoaded);
  EXPECT_EQ(bob->loads(0), 0);
  EXPECT_THAT(kinds(), ElementsAre("encoder"));
}

TEST_F(ManagerTest, WhoWantsACancelledComponentReadsItAgainOnceThereIsRoom) {
  Gate gate;
  std::atomic<bool> stop = false;
  test::FakePart stubborn = part("encoder", 600);
  stubborn.on_load = [&](const LoadControl&) {
    if (!stop) gate.pass();
  };
  const auto alice = model({stubborn});
  const auto first = start(
      [&] { EXPECT_EQ(caught([&] { manager_.load("alice", alice, kCpu); }).code, ErrorCode::kCancelled); });
  gate.await(1);
  manager_.cancel_load("alice");
  stop = true;
  const auto second = start([&] { manager_.load("bob", alice, kCpu); });
  await_waiting("bob", 1);
  gate.open();
  await([&] { return manager_.model_status("bob") == ModelStatus::kLoaded; });
  EXPECT_EQ(alice->loads(0), 2);
  EXPECT_LE(heap_->peak(), 1000u);
}

TEST_F(ManagerTest, PublishesWhatHappensInOrder) {
  test::FakePart voice = part("voice", 50);
  voice.on_load = [&](const LoadControl& control) {
    control.progress(25, 50);
    clock_.advance(std::chrono::seconds(2));
  };
  const auto alice = model({voice});
  manager_.load("alice", alice, kCpu);
  manager_.load("alice", alice, kCpu);
  manager_.unload("alice", UnloadMode::kForce);
  EXPECT_THAT(sink_.types(),
              ElementsAre(EventType::kCacheMiss, EventType::kLoadStarted, EventType::kLoadProgress,
                          EventType::kLoadCompleted, EventType::kCacheHit, EventType::kUnloadStarted,
                          EventType::kUnloadCompleted));
  const auto events = sink_.events();
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence, i + 1);
    EXPECT_EQ(events[i].model_id, "alice");
    EXPECT_EQ(std::chrono::floor<std::chrono::seconds>(events[i].time),
              base::Clock::WallTime(std::chrono::seconds(i < 3 ? 0 : 2)));
  }
  EXPECT_EQ(events[2].component, "voice (voice.pt)");
  EXPECT_EQ(events[2].bytes, 25u);
  EXPECT_EQ(events[3].bytes, 50u);
  EXPECT_DOUBLE_EQ(events[3].seconds, 2.0);
}

TEST_F(ManagerTest, NamesAreStable) {
  EXPECT_EQ(model_status_name(ModelStatus::kUnloading), "unloading");
  EXPECT_EQ(component_state_name(ComponentState::kResident), "resident");
  EXPECT_EQ(event_type_name(EventType::kCacheHit), "cache_hit");
}

TEST_F(ManagerTest, DevicesHaveBudgetsOfTheirOwn) {
  Manager two({{kCpu, 100}, {kGpu, 100}}, clock_);
  const auto alice = model({part("voice", 80)});
  two.load("alice", alice, kCpu);
  two.load("alice-gpu", alice, kGpu);
  EXPECT_EQ(alice->loads(0), 2) << "a component on another device is another one";
  EXPECT_EQ(two.memory().at(0).totals.resident, 80u);
  EXPECT_EQ(two.memory().at(1).totals.resident, 80u);
}

TEST_F(ManagerTest, EveryEventOfAModelNamesItsType) {
  const auto voice = model({part("voice", 100)}, "ddsp_svc");
  const auto speaker = model({part("speaker", 950)}, "index_tts");
  manager_.preload("voice", voice, kCpu);
  manager_.load("speaker", speaker, kCpu);  // evicts the voice
  EXPECT_THROW(manager_.load("voice", voice, kCpu), base::Error);
  manager_.load("speaker", speaker, kCpu);
  manager_.unload("speaker", UnloadMode::kForce);
  int of_voice = 0;
  int of_speaker = 0;
  for (const Event& event : sink_.events()) {
    if (event.model_id.empty()) continue;
    EXPECT_EQ(event.model_type, event.model_id == "voice" ? "ddsp_svc" : "index_tts")
        << event_type_name(event.type);
    ++(event.model_id == "voice" ? of_voice : of_speaker);
  }
  EXPECT_GE(of_voice, 6);
  EXPECT_GE(of_speaker, 5);
}

}  // namespace
}  // namespace greenroom::core
