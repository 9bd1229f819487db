#include "core/lease.h"

#include <type_traits>
#include <utility>

#include "core/run.h"
#include "manager_fixture.h"

namespace greenroom::core {
namespace {

static_assert(!std::is_copy_constructible_v<Lease> && !std::is_copy_assignable_v<Lease>);
static_assert(std::is_nothrow_move_constructible_v<Lease> && std::is_nothrow_move_assignable_v<Lease>);
static_assert(!std::is_copy_constructible_v<Run> && std::is_move_constructible_v<Run>);

using ::testing::HasSubstr;

class LeaseTest : public ManagerFixture {
 protected:
  LeaseTest() { manager_.load("alice", model({part("encoder", 100), part("voice", 50)}), kCpu); }

  int leases(const std::string& kind) const {
    for (const ComponentInfo& component : components()) {
      if (component.kind == kind) return component.leases;
    }
    return -1;
  }
};

TEST_F(LeaseTest, PinsTheComponentsOfItsStageOnly) {
  const Lease lease = manager_.lease("alice", 1);
  EXPECT_EQ(leases("encoder"), 0);
  EXPECT_EQ(leases("voice"), 1);
  EXPECT_EQ(lease.component(1).bytes(), 50u);
  EXPECT_EQ(lease.model().type(), "fake");
  EXPECT_EQ(lease.device(), kCpu);
  EXPECT_EQ(caught([&] { lease.component(0); }).code, base::ErrorCode::kInternal);
}

TEST_F(LeaseTest, OfAllStagesPinsEveryComponent) {
  const Lease lease = manager_.lease("alice", kAllStages);
  EXPECT_EQ(lease.component(0).bytes(), 100u);
  EXPECT_EQ(lease.component(1).bytes(), 50u);
  EXPECT_EQ(manager_.model_info("alice")->leases, 1);
}

TEST_F(LeaseTest, ReleasesWhenItGoesAndOnlyOnce) {
  {
    Lease lease = manager_.lease("alice", 2);
    Lease moved(std::move(lease));
    EXPECT_EQ(leases("voice"), 1);
    Lease assigned = manager_.lease("alice", 1);
    EXPECT_EQ(leases("voice"), 2);
    assigned = std::move(moved);
    EXPECT_EQ(leases("voice"), 1);
    EXPECT_EQ(leases("encoder"), 1);
  }
  EXPECT_EQ(leases("voice"), 0);
  EXPECT_EQ(manager_.model_info("alice")->leases, 0);
}

TEST_F(LeaseTest, CarriesItsWorkspace) {
  {
    const Lease lease = manager_.lease("alice", kAllStages, 300);
    EXPECT_EQ(lease.workspace_bytes(), 300u);
    EXPECT_EQ(totals().workspace, 300u);
  }
  EXPECT_EQ(totals().workspace, 0u);
}

TEST_F(LeaseTest, WhoseWorkspaceDoesNotFitIsRefusedUpFront) {
  const auto refused = caught([&] { manager_.lease("alice", kAllStages, 851); });
  EXPECT_EQ(refused.code, base::ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.message,
              HasSubstr("the workspace of a run of 'alice' needs 851 B, but 850 B of 1000 B is free"));
  EXPECT_THAT(refused.message, HasSubstr("encoder (encoder.pt) 100 B for alice"));
  EXPECT_EQ(leases("voice"), 0);
  EXPECT_NO_THROW(manager_.lease("alice", kAllStages, 850));
}

TEST_F(LeaseTest, WorkspaceEvictsWhatIsIdleButNotItsOwnModel) {
  manager_.load("bob", model({part("other", 200)}), kCpu);
  manager_.unload("bob", UnloadMode::kKeep);
  manager_.unload("alice", UnloadMode::kKeep);
  const Lease lease = manager_.lease("alice", 1, 800);
  EXPECT_THAT(kinds(), ::testing::UnorderedElementsAre("encoder", "voice"));
  EXPECT_EQ(manager_.model_status("bob"), ModelStatus::kUnloaded);
}

TEST_F(LeaseTest, NeedsALoadedModelAndAStageThatExists) {
  EXPECT_EQ(caught([&] { manager_.lease("nobody", 0); }).code, base::ErrorCode::kNotFound);
  EXPECT_EQ(caught([&] { manager_.lease("alice", 3); }).code, base::ErrorCode::kInvalidArgument);
  manager_.unload("alice");
  EXPECT_EQ(caught([&] { manager_.lease("alice", 0); }).code, base::ErrorCode::kNotFound);
}

TEST_F(LeaseTest, ARunPinsStageByStage) {
  auto run = manager_.start_run("alice");
  EXPECT_EQ(leases("encoder"), 0);
  {
    const auto stage = run.pin(0, 10);
    EXPECT_EQ(stage->component(0).bytes(), 100u);
    EXPECT_EQ(leases("encoder"), 1);
    EXPECT_EQ(totals().workspace, 10u);
  }
  EXPECT_EQ(leases("encoder"), 0);
  EXPECT_EQ(totals().workspace, 0u);
  EXPECT_EQ(caught([&] { run.pin(9, 0); }).code, base::ErrorCode::kInvalidArgument);
}

TEST_F(LeaseTest, ARunReservesWhatEarlierOnesOfItsKindWereMeasuredToNeed) {
  auto run = manager_.start_run("alice");
  const WorkspaceNeed need(500, {.audio_seconds = 3});
  for (std::size_t i = 0; i < WorkspaceProfile::kFewest; ++i) {
    const auto stage = run.pin(0, need);
    EXPECT_EQ(totals().workspace, 500u) << "the computed bound, until enough is known";
    stage->measured(100);
  }
  {
    const auto stage = run.pin(0, need);
    EXPECT_GE(totals().workspace, 100u);
    EXPECT_LT(totals().workspace, 150u);
  }
  {
    const auto longer = run.pin(0, {500, {.audio_seconds = 30}});
    EXPECT_EQ(totals().workspace, 500u) << "nothing is known of longer runs";
  }
  const auto other_stage = run.pin(1, need);
  EXPECT_EQ(totals().workspace, 500u) << "nor of other stages";
  const auto unmeasurable = run.pin(0, 300);
  EXPECT_EQ(totals().workspace, 800u) << "nor is anything learnt where nothing is said of the run";
}

TEST_F(LeaseTest, AForcedUnloadWaitsForTheWholeRun) {
  auto run = std::make_unique<core::Run>(manager_.start_run("alice"));
  manager_.unload("alice", UnloadMode::kForce);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kUnloading);
  EXPECT_EQ(run->pin(1, 0)->component(1).bytes(), 50u) << "a run that began is served to its end";
  EXPECT_EQ(caught([&] { manager_.start_run("alice"); }).code, base::ErrorCode::kFailedPrecondition);
  run.reset();
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kUnloaded);
  expect_nothing_left();
}

TEST_F(LeaseTest, ARunKeepsAnIdleModelFromEviction) {
  manager_.unload("alice", UnloadMode::kKeep);
  const auto run = manager_.start_run("alice");
  EXPECT_EQ(manager_.trim(kCpu), 0u);
  EXPECT_EQ(manager_.model_status("alice"), ModelStatus::kLoaded);
}

}  // namespace
}  // namespace greenroom::core
