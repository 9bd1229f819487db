// Weights that go with the process that held them.
#include "core/manager_fixture.h"

namespace greenroom::core {
namespace {

using base::ErrorCode;
using testing::Contains;
using testing::HasSubstr;

class LostTest : public ManagerFixture {
 protected:
  test::FakePart remote(const std::string& name, std::uint64_t bytes) {
    auto result = part(name, bytes);
    result.process = &process_;
    return result;
  }
  // The process dies, and the manager hears of it. What is loaded from then on goes to another.
  void die() {
    *std::exchange(process_, std::make_shared<std::atomic<bool>>(false)) = true;
    manager_.forget_lost(kCpu, "the worker died");
  }
  ModelInfo info(const std::string& id) {
    const auto found = manager_.model_info(id);
    return found ? *found : ModelInfo();
  }

  std::shared_ptr<std::atomic<bool>> process_ = std::make_shared<std::atomic<bool>>(false);
};

TEST_F(LostTest, ItsBytesLeaveTheBooksAndItsHoldsStay) {
  manager_.load("bob", model({remote("a", 100), remote("b", 50)}), kCpu);
  manager_.load("bob", model({remote("a", 100), remote("b", 50)}), kCpu);
  die();
  expect_nothing_left();
  EXPECT_EQ(info("bob").status, ModelStatus::kError);
  EXPECT_EQ(info("bob").error, "the worker died");
  EXPECT_EQ(info("bob").holds, 2);
  EXPECT_EQ(info("bob").bytes, 0U);
  EXPECT_THAT(sink_.types(), Contains(EventType::kWorkerLost));
  EXPECT_EQ(caught([&] { manager_.lease("bob", 0); }).code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(caught([&] { manager_.lease("bob", 0); }).message, HasSubstr("the worker died"));

  manager_.restore_lost();
  EXPECT_EQ(info("bob").status, ModelStatus::kLoaded);
  EXPECT_EQ(info("bob").holds, 2);
  EXPECT_EQ(info("bob").error, "");
  EXPECT_EQ(totals().resident, 150U);
  EXPECT_NO_THROW(manager_.lease("bob", 0));
  manager_.unload("bob");
  EXPECT_EQ(info("bob").status, ModelStatus::kLoaded);
  manager_.unload("bob");
  expect_nothing_left();
}

TEST_F(LostTest, WhatIsNotLostStays) {
  manager_.load("bob", model({remote("a", 100)}), kCpu);
  manager_.load("eve", model({part("c", 30)}), kCpu);
  die();
  EXPECT_EQ(totals().resident, 30U);
  EXPECT_EQ(info("eve").status, ModelStatus::kLoaded);
}

TEST_F(LostTest, ALeaseKeepsItsWeightsUntilItReturns) {
  manager_.load("bob", model({remote("a", 100), remote("b", 50)}), kCpu);
  {
    const Lease lease = manager_.lease("bob", 0);
    die();
    EXPECT_EQ(totals().resident, 100U);  // what the lease pins; the rest is gone
    EXPECT_TRUE(lease.component(0).is_lost());
    manager_.restore_lost();  // beside it
    EXPECT_EQ(totals().resident, 250U);
  }
  EXPECT_EQ(totals().resident, 150U);
  manager_.unload("bob");
  expect_nothing_left();
}

TEST_F(LostTest, ARunPinsNoStageThatWasLostUnderIt) {
  manager_.load("bob", model({remote("a", 100), remote("b", 50)}), kCpu);
  {
    auto run = manager_.start_run("bob");
    std::ignore = run.pin(0, {});
    die();
    const auto error = caught([&] { run.pin(1, {}); });
    EXPECT_EQ(error.code, ErrorCode::kUnavailable);
    EXPECT_EQ(error.message, "the worker died");
    manager_.unload("bob", UnloadMode::kForce);
    EXPECT_EQ(caught([&] { run.pin(1, {}); }).code, ErrorCode::kUnavailable);  // while it drains, too
  }
  expect_nothing_left();
}

TEST_F(LostTest, ALoadThatSharesWhatWasLostFailsAndMayBeTriedAgain) {
  manager_.load("bob", model({remote("shared", 100)}), kCpu);
  test::Gate gate;
  auto slow = remote("slow", 10);
  slow.on_load = [&](const LoadControl&) { gate.pass(); };
  Caught error;
  std::thread loading([&] {
    error = caught([&] { manager_.load("eve", model({remote("shared", 100), slow}), kCpu); });
  });
  gate.await(1);
  die();
  gate.open();
  loading.join();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_NO_THROW(manager_.load("eve", model({remote("shared", 100), slow}), kCpu));
  manager_.unload("eve");
  manager_.unload("bob", UnloadMode::kForce);
  expect_nothing_left();
}

TEST_F(LostTest, WeightsThatWereLostOnTheirWayInFailTheirLoad) {
  auto dying = remote("a", 100);
  // The process is gone, and the manager was told, before the load returns from it.
  dying.on_load = [&](const LoadControl&) {
    *process_ = true;
    manager_.forget_lost(kCpu, "the worker died");
  };
  EXPECT_EQ(caught([&] { manager_.load("bob", model({dying}), kCpu); }).code, ErrorCode::kUnavailable);
  expect_nothing_left();
}

TEST_F(LostTest, AForcedUnloadIsTheEndOfIt) {
  manager_.load("bob", model({remote("a", 100)}), kCpu);
  die();
  manager_.unload("bob", UnloadMode::kForce);
  EXPECT_EQ(info("bob").status, ModelStatus::kUnloaded);
  manager_.restore_lost();
  expect_nothing_left();
}

TEST_F(LostTest, WhatCannotComeBackGoesUnlessSomebodyHoldsItAndIsTriedLessAndLessOften) {
  bool broken = false;
  int tries = 0;
  const auto fragile = [&](const std::string& name) {
    auto result = remote(name, 100);
    result.on_load = [&](const LoadControl&) {
      ++tries;
      if (broken) throw base::Error(ErrorCode::kDataLoss, "cannot be read");
    };
    return model({result});
  };
  manager_.load("held", fragile("a"), kCpu);
  manager_.preload("idle", fragile("b"), kCpu);
  broken = true;
  die();
  tries = 0;
  manager_.restore_lost();
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(info("idle").status, ModelStatus::kUnloaded);
  EXPECT_EQ(info("held").status, ModelStatus::kError);
  EXPECT_EQ(info("held").error, "cannot be read");
  manager_.restore_lost();
  EXPECT_EQ(tries, 2);  // not yet
  clock_.advance(std::chrono::seconds(2));
  manager_.restore_lost();
  manager_.restore_lost();
  EXPECT_EQ(tries, 3);
  broken = false;
  clock_.advance(std::chrono::seconds(4));
  manager_.restore_lost();
  EXPECT_EQ(info("held").status, ModelStatus::kLoaded);
  EXPECT_EQ(info("held").holds, 1);
  manager_.unload("held");
  expect_nothing_left();
}

TEST_F(LostTest, ARequestBringsItBackBeforeAnybodyElseDoes) {
  const auto bob = model({remote("a", 100)});
  manager_.load("bob", bob, kCpu);
  die();
  manager_.load_on_demand({"bob", bob, kCpu}, {});
  EXPECT_EQ(info("bob").status, ModelStatus::kLoaded);
  EXPECT_EQ(info("bob").holds, 1);
  manager_.restore_lost();
  EXPECT_EQ(bob->loads(0), 2);
}

}  // namespace
}  // namespace greenroom::core
