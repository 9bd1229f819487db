// Admission against what the device reports, the tiers, plans, and the log of decisions; on a simulated
// device in virtual time.
#include <algorithm>

#include "core/simulated_host.h"
#include "manager_fixture.h"

namespace greenroom::core {
namespace {

using base::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ManagerMemoryTest : public ManagerFixture {
 protected:
  // One GPU of 1000 bytes, 100 bytes a second from disk and 1000 from the host.
  void make(const ManagerOptions& options = {.policy = EvictionPolicy::kLru, .min_residence = {}},
            std::uint64_t budget = 1000, double share = 1, milliseconds lag = {}) {
    host_ = std::make_shared<SimulatedHost>(
        SimulatedHost::Options{
            .total_bytes = 1000, .disk_bytes_per_second = 100, .host_bytes_per_second = 1000, .lag = lag},
        clock_);
    gpu_ = std::make_unique<Manager>(std::vector<DeviceBudget>{{kGpu, budget, share, host_}}, clock_, &sink_,
                                     options);
    sink_.manager = gpu_.get();
  }
  ~ManagerMemoryTest() override { sink_.manager = nullptr; }

  void preload(const std::string& id, std::uint64_t bytes) {
    gpu_->preload(id, model({part(id, bytes)}), kGpu);
    clock_.advance(seconds(1));
  }
  void load(const std::string& id, std::uint64_t bytes) { gpu_->load(id, model({part(id, bytes)}), kGpu); }
  std::vector<std::string> there() const {
    std::vector<std::string> result;
    const auto memory = gpu_->memory();
    for (const auto& component : memory.at(0).components) result.push_back(component.kind);
    return result;
  }
  std::vector<Event> events(EventType type) const {
    auto all = sink_.events();
    std::erase_if(all, [type](const Event& event) { return event.type != type; });
    return all;
  }

  std::shared_ptr<SimulatedHost> host_;
  std::unique_ptr<Manager> gpu_;
};

TEST_F(ManagerMemoryTest, OtherProgramsLowerTheCapacity) {
  make();
  host_->set_foreign(700);
  const auto refused = caught([&] { load("alice", 400); });
  EXPECT_EQ(refused.code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.message, HasSubstr("the device reports only 300 B free"));
  EXPECT_EQ(host_->loaded_bytes(), 0u);
  host_->set_foreign(600);
  load("alice", 400);
  EXPECT_EQ(gpu_->capacity(kGpu).bytes, 400u) << "read anew, and what we hold is part of it";
}

TEST_F(ManagerMemoryTest, ADeviceThatHasNotWhatItReportedIsTriedOnceMoreWithoutTheIdleOnes) {
  make();
  preload("alice", 300);
  host_->set_fragmented(450);  // 250 of the 700 that count as free
  load("bob", 400);
  EXPECT_THAT(there(), ElementsAre("bob"));
  EXPECT_THAT(events(EventType::kAutoCleanup).at(0).cause, HasSubstr("no room for bob"));
  const auto refused = caught([&] { load("carol", 300); });
  EXPECT_EQ(refused.code, ErrorCode::kResourceExhausted) << "nothing is idle";
  EXPECT_EQ(gpu_->memory().at(0).totals.used(), 400U);
  EXPECT_EQ(host_->live_bytes(), 400U);
  host_->set_fragmented(0);
  load("carol", 300);
  EXPECT_THAT(there(), ElementsAre("bob", "carol"));
}

TEST_F(ManagerMemoryTest, OtherProgramsMakeIdleOnesGo) {
  make();
  preload("alice", 300);
  preload("bob", 300);
  host_->set_foreign(300);  // 100 left
  load("carol", 200);
  EXPECT_THAT(there(), ElementsAre("bob", "carol"));
  EXPECT_LE(host_->peak_bytes(), 700u);
}

TEST_F(ManagerMemoryTest, AWorkspaceIsReservedAgainstWhatIsThereToo) {
  make();
  load("alice", 300);
  host_->set_foreign(600);
  EXPECT_EQ(caught([&] { gpu_->lease("alice", 0, 200); }).code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(gpu_->lease("alice", 0, 100).workspace_bytes(), 100u);
}

TEST_F(ManagerMemoryTest, AShareOfTheDeviceIsALimit) {
  make({}, 1000, 0.5);
  EXPECT_THAT(caught([&] { load("alice", 600); }).message,
              HasSubstr("50 % of the device's 1000 B may be used"));
  load("alice", 500);
}

TEST_F(ManagerMemoryTest, FreedIsFreeOnceTheDeviceSaysSo) {
  make({.return_bound = seconds(2)}, 1000, 1, milliseconds(300));
  load("alice", 800);
  const auto before = clock_.now();
  gpu_->unload("alice");
  EXPECT_GE(clock_.now() - before, milliseconds(300));
  EXPECT_LT(clock_.now() - before, milliseconds(400));
  EXPECT_THAT(events(EventType::kMemoryMissing), IsEmpty());
  load("bob", 800);
  EXPECT_EQ(host_->live_bytes(), 800u);
}

TEST_F(ManagerMemoryTest, AQuickDeviceIsNotWaitedFor) {
  make();
  load("alice", 800);
  const auto before = clock_.now();
  gpu_->unload("alice");
  EXPECT_EQ(clock_.now(), before);
}

TEST_F(ManagerMemoryTest, WhatDoesNotComeBackIsSaidAndNotCountedOn) {
  make({.return_bound = seconds(2)});
  load("alice", 800);
  host_->leak_next(1);
  const auto before = clock_.now();
  gpu_->unload("alice");
  EXPECT_GE(clock_.now() - before, seconds(2));
  EXPECT_LT(clock_.now() - before, seconds(3));
  const auto missing = events(EventType::kMemoryMissing);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].bytes, 800u);
  EXPECT_THAT(missing[0].message, HasSubstr("800 B of the 800 B freed did not come back within 2.0 s"));
  EXPECT_EQ(gpu_->memory().at(0).totals.used(), 0u);
  EXPECT_EQ(caught([&] { load("bob", 300); }).code, ErrorCode::kResourceExhausted);
  load("bob", 200);
}

TEST_F(ManagerMemoryTest, MemoryOnItsWayBackIsWaitedForBeforeOthersGo) {
  test::Gate freeing;
  test::FakePart slow = part("slow", 800);
  slow.on_free = [&] { freeing.pass(); };
  manager_.preload("idle", model({part("idle", 200)}), kCpu);
  manager_.load("slow", model({slow}), kCpu);
  const std::jthread unloading([&] { manager_.unload("slow"); });
  freeing.await(1);
  const std::jthread loading([&] { manager_.load("bob", model({part("b", 100)}), kCpu); });
  await_waiting("bob", 1);
  freeing.open();
  await([&] { return manager_.model_status("bob") == ModelStatus::kLoaded; });
  EXPECT_EQ(manager_.model_status("idle"), ModelStatus::kLoaded) << "it need not go";
}

TEST_F(ManagerMemoryTest, AnEvictedComponentComesBackFromHostMemory) {
  make({.policy = EvictionPolicy::kLru, .min_residence = {}, .host_tier_bytes = 2000});
  preload("alice", 600);
  EXPECT_EQ(gpu_->host_memory().totals.resident, 600u);
  preload("bob", 300);
  load("carol", 500);
  const auto demoted = events(EventType::kDemoted);
  ASSERT_EQ(demoted.size(), 1u);
  EXPECT_EQ(demoted[0].component, "alice (alice.pt)");
  gpu_->unload("carol");

  const auto before = clock_.now();
  gpu_->load("alice", model({part("alice", 600)}), kGpu);
  EXPECT_EQ(clock_.now() - before, milliseconds(600)) << "ten times as fast as from disk";
  EXPECT_EQ(host_->promoted_bytes(), 600u);
  const auto promoted = events(EventType::kPromoted);
  ASSERT_EQ(promoted.size(), 1u);
  EXPECT_DOUBLE_EQ(promoted[0].seconds, 0.6);
}

TEST_F(ManagerMemoryTest, TheHostTierKeepsToItsBudget) {
  make({.policy = EvictionPolicy::kLru, .min_residence = {}, .host_tier_bytes = 500});
  preload("alice", 300);
  preload("bob", 300);
  preload("huge", 400);
  const HostMemory memory = gpu_->host_memory();
  EXPECT_LE(memory.totals.used(), 500u);
  ASSERT_EQ(memory.images.size(), 1u);
  EXPECT_EQ(memory.images[0].kind, "huge");
}

TEST_F(ManagerMemoryTest, AFailedLoadLeavesNoImage) {
  make({.host_tier_bytes = 500});
  test::FakePart broken = part("alice", 300);
  host_->set_before_load([](const ComponentSpec&) { throw base::Error(ErrorCode::kDataLoss, "broken"); });
  EXPECT_EQ(caught([&] { gpu_->load("alice", model({broken}), kGpu); }).code, ErrorCode::kDataLoss);
  EXPECT_EQ(gpu_->host_memory().totals.used(), 0u);
  EXPECT_EQ(gpu_->memory().at(0).totals.used(), 0u);
}

TEST_F(ManagerMemoryTest, TheCostPolicyKeepsWhatIsUsed) {
  make({.policy = EvictionPolicy::kCost, .min_residence = {}});
  preload("often", 400);
  for (int i = 0; i < 5; ++i) gpu_->lease("often", 0);
  preload("once", 400);
  load("carol", 400);
  EXPECT_THAT(there(), ElementsAre("carol", "often")) << "by age it would have gone";
}

TEST_F(ManagerMemoryTest, WhatWasOnlyJustLoadedIsSpared) {
  make({.policy = EvictionPolicy::kLru, .min_residence = seconds(100)});
  preload("old", 400);
  clock_.advance(seconds(200));
  preload("young", 400);
  { const Lease lease = gpu_->lease("old", 0); }
  load("carol", 400);
  EXPECT_THAT(there(), ElementsAre("carol", "young"));
}

TEST_F(ManagerMemoryTest, CachesGoBeforeModels) {
  make();
  preload("idle", 400);
  std::vector<Reservation> cached;
  gpu_->add_cache(kGpu, [&](std::uint64_t bytes) {
    std::uint64_t dropped = 0;
    while (!cached.empty() && dropped < bytes) {
      dropped += cached.back().bytes();
      cached.pop_back();
    }
    return dropped;
  });
  for (int i = 0; i < 4; ++i) cached.push_back(std::move(*gpu_->claim_cache(kGpu, 100)));
  EXPECT_EQ(gpu_->claim_cache(kGpu, 300), std::nullopt) << "a cache evicts nothing";
  EXPECT_EQ(gpu_->memory().at(0).totals.cache, 400u);
  load("alice", 600);
  EXPECT_THAT(there(), ElementsAre("alice", "idle"));
  EXPECT_EQ(gpu_->memory().at(0).totals.cache, 0u);
  gpu_->unload("alice");
  cached.push_back(std::move(*gpu_->claim_cache(kGpu, 300)));
  EXPECT_EQ(gpu_->lease("idle", 0, 600).workspace_bytes(), 600u);
  cached.push_back(std::move(*gpu_->claim_cache(kGpu, 300)));
  EXPECT_EQ(gpu_->relieve(kGpu, 200, "full"), 300u);
  EXPECT_THAT(there(), ElementsAre("idle"));
}

TEST_F(ManagerMemoryTest, APlanSaysWhatALoadWouldDoAndChangesNothing) {
  make();
  preload("shared", 100);
  preload("alice", 600);
  const auto bob = model({part("shared", 100), part("bob", 500)});
  const auto events_before = sink_.events().size();
  const auto decisions_before = gpu_->decisions().size();
  const Plan plan = gpu_->plan({{"bob", bob}}, kGpu);
  EXPECT_TRUE(plan.fits);
  EXPECT_EQ(plan.needed_bytes, 500u);
  EXPECT_EQ(plan.free_bytes, 300u);
  EXPECT_EQ(plan.remaining_bytes, 400u);
  ASSERT_EQ(plan.parts.size(), 2u);
  EXPECT_EQ(plan.parts[0].source, Source::kResident);
  EXPECT_EQ(plan.parts[1].source, Source::kDisk);
  EXPECT_NEAR(plan.seconds, 500 * 1e-9, 1e-9) << "guessed: loads this small teach no rate";
  ASSERT_EQ(plan.evict.size(), 1u);
  EXPECT_EQ(plan.evict[0].component, "alice (alice.pt)");
  EXPECT_THAT(plan.evict[0].models, ElementsAre("alice"));
  EXPECT_THAT(plan.evict[0].reason, HasSubstr("idle 1 s, 1.0 recent uses, 6.00 s to bring back"));
  EXPECT_EQ(sink_.events().size(), events_before);
  EXPECT_EQ(gpu_->decisions().size(), decisions_before);
  EXPECT_THAT(there(), ElementsAre("alice", "shared"));

  EXPECT_EQ(gpu_->load_as_planned("bob", bob, plan), "");
  EXPECT_THAT(there(), ElementsAre("bob", "shared"));
}

TEST_F(ManagerMemoryTest, ALoadSaysInWhatItDiffersFromItsPlan) {
  make();
  preload("alice", 600);
  const auto bob = model({part("bob", 500)});
  const Plan plan = gpu_->plan({{"bob", bob}}, kGpu);
  gpu_->unload("alice");
  EXPECT_EQ(gpu_->load_as_planned("bob", bob, plan), "not evicted after all: alice (alice.pt)");
}

TEST_F(ManagerMemoryTest, APlanThatDoesNotFitSaysWhy) {
  make();
  load("alice", 600);
  const Plan plan =
      gpu_->plan({{"bob", model({part("bob", 300)})}, {"carol", model({part("carol", 200)})}}, kGpu, 50);
  EXPECT_FALSE(plan.fits);
  EXPECT_EQ(plan.needed_bytes, 550u);
  EXPECT_THAT(plan.problem,
              AllOf(HasSubstr("loading 'bob', 'carol' needs 550 B"), HasSubstr("workspace 50 B"),
                    HasSubstr("alice (alice.pt) 600 B for alice")));
  EXPECT_TRUE(plan.evict.empty());
}

TEST_F(ManagerMemoryTest, EveryDecisionIsLoggedWithItsReasons) {
  make();
  preload("alice", 400);
  preload("bob", 400);
  load("carol", 500);
  const auto why = gpu_->decisions("alice (");
  ASSERT_EQ(why.size(), 1u);
  EXPECT_EQ(why[0].verdict, Verdict::kEvict);
  EXPECT_EQ(why[0].purpose, "loading 'carol'");
  EXPECT_EQ(why[0].needed_bytes, 500u);
  EXPECT_EQ(why[0].free_bytes, 200u);
  ASSERT_EQ(why[0].candidates.size(), 2u);
  EXPECT_TRUE(why[0].candidates[0].evicted);
  EXPECT_FALSE(why[0].candidates[1].evicted);
  EXPECT_THAT(why[0].unloaded, ElementsAre("alice"));
  EXPECT_THAT(
      explain(why[0], "alice (alice.pt)"),
      AllOf(HasSubstr("alice (alice.pt) 400 B, idle"), HasSubstr("loading 'carol' needed 500 B when 200 B"),
            HasSubstr("By policy 'lru' the next to go would have been bob")));
  EXPECT_EQ(explain(why[0], "bob (bob.pt)"), "");
  caught([&] { load("huge", 900); });
  EXPECT_EQ(gpu_->decisions().front().verdict, Verdict::kRefuse);
  EXPECT_THAT(gpu_->decisions("nobody"), IsEmpty());
}

TEST_F(ManagerMemoryTest, TheLogIsBounded) {
  make({.decisions_kept = 3});
  for (int i = 0; i < 10; ++i) preload("m" + std::to_string(i), 10);
  EXPECT_EQ(gpu_->decisions().size(), 3u);
  EXPECT_EQ(gpu_->decisions("", 1).size(), 1u);
  EXPECT_EQ(gpu_->decisions().front().purpose, "loading 'm9'");
}

TEST_F(ManagerMemoryTest, WhatWasLearntSurvives) {
  make();
  preload("alice", 400);
  const auto learnt = gpu_->learnt();
  make();
  gpu_->learn(learnt);
  const Plan plan = gpu_->plan({{"alice", model({part("alice", 400)})}}, kGpu);
  EXPECT_DOUBLE_EQ(plan.seconds, 4);
}

}  // namespace
}  // namespace greenroom::core
