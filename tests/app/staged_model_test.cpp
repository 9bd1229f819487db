#include "app/staged_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/fake_clock.h"
#include "support/fake_model.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

constexpr base::DeviceId kCpu{};

// Three parts of 100 bytes, each a stage, and a last stage that needs the first two.
class StagedAccessTest : public testing::Test {
 protected:
  core::Manager make_manager(std::uint64_t budget) const { return core::Manager({{kCpu, budget}}, clock_); }

  std::shared_ptr<test::FakeModel> make_model() const {
    std::vector<test::FakePart> parts;
    for (const char* kind : {"a", "b", "c"}) parts.push_back({kind, folder_.write(kind, kind), 100});
    return std::make_shared<test::FakeModel>(heap_, std::move(parts));
  }

  std::shared_ptr<test::FakeHeap> heap_ = std::make_shared<test::FakeHeap>();
  test::FakeClock clock_;
  test::TempDir folder_;
};

TEST_F(StagedAccessTest, LoadsWhatAStageNeedsAndKeepsItForTheNextTime) {
  auto manager = make_manager(1000);
  const auto model = make_model();
  StagedAccess access(manager, "m", model, kCpu);
  EXPECT_EQ(access.pin(0, 0)->component(0).bytes(), 100U);
  access.pin(0, 0);
  EXPECT_EQ(model->loads(0), 1);
  EXPECT_EQ(model->loads(1), 0);
  EXPECT_EQ(heap_->live(), 100U);
}

TEST_F(StagedAccessTest, StagesShareTheirComponents) {
  auto manager = make_manager(1000);
  const auto model = make_model();
  StagedAccess access(manager, "m", model, kCpu);
  access.pin(0, 0);
  const auto both = access.pin(3, 0);
  both->component(0);
  both->component(1);
  EXPECT_THROW(both->component(2), base::Error);
  EXPECT_EQ(model->loads(0), 1);
  EXPECT_EQ(model->loads(1), 1);
}

TEST_F(StagedAccessTest, RunsInLessThanTheSumOfItsParts) {
  auto manager = make_manager(150);
  const auto model = make_model();
  StagedAccess access(manager, "m", model, kCpu);
  for (std::size_t round = 0; round < 2; ++round) {
    for (std::size_t stage = 0; stage < 3; ++stage) access.pin(stage, 20)->component(stage);
  }
  EXPECT_EQ(heap_->peak(), 100U);
  EXPECT_EQ(model->loads(0), 2);
}

TEST_F(StagedAccessTest, APinnedStageIsNeverEvicted) {
  auto manager = make_manager(150);
  const auto model = make_model();
  StagedAccess access(manager, "m", model, kCpu);
  const auto pinned = access.pin(0, 0);
  EXPECT_THROW(access.pin(1, 0), base::Error);
  EXPECT_EQ(pinned->component(0).bytes(), 100U);
}

TEST_F(StagedAccessTest, EvictsIdleStagesForAWorkspace) {
  auto manager = make_manager(250);
  const auto model = make_model();
  StagedAccess access(manager, "m", model, kCpu);
  access.pin(0, 0);
  access.pin(1, 100);
  EXPECT_EQ(heap_->live(), 100U);
}

}  // namespace
}  // namespace greenroom::app
