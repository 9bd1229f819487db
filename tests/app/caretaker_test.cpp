#include "app/caretaker.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/fake_model.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

// One device of 1000 bytes and two idle models of 300 on it.
class CaretakerTest : public testing::Test {
 protected:
  CaretakerTest() {
    for (const char* name : {"old", "new"}) {
      auto model = std::make_shared<test::FakeModel>(
          heap_,
          std::vector<test::FakePart>{{.kind = name, .file = dir_.write(name, "weights"), .bytes = 300}});
      manager_.preload(name, model, base::DeviceId{});
      clock_.advance(std::chrono::minutes(10));
    }
  }

  bool is_loaded(const char* name) const { return manager_.model_status(name) == core::ModelStatus::kLoaded; }

  test::TempDir dir_;
  test::FakeClock clock_;
  std::shared_ptr<test::FakeHeap> heap_ = std::make_shared<test::FakeHeap>();
  std::optional<devices::DeviceMemory> reading_{{1000, 1000}};
  base::Clock::TimePoint read_at_ = base::Clock::TimePoint::max();  // always news
  core::Manager manager_{{{base::DeviceId{}, 1000}}, clock_};
  GpuSettings settings_;
  Caretaker caretaker_{manager_, clock_,
                       [this] {
                         MemoryReadings readings{read_at_, {}};
                         if (reading_) readings.memory[base::DeviceId{}] = *reading_;
                         return readings;
                       },
                       [this] { return settings_; }};
};

TEST_F(CaretakerTest, FreesNothingWithoutNeed) {
  EXPECT_EQ(caretaker_.look(), 0U);
  EXPECT_TRUE(is_loaded("old"));
}

TEST_F(CaretakerTest, FreesWhatWasIdleForTooLong) {
  clock_.advance(std::chrono::minutes(5));  // one has been idle for 25 minutes, the other for 15
  EXPECT_EQ(caretaker_.look(), 0U);
  clock_.advance(std::chrono::minutes(5));
  EXPECT_EQ(caretaker_.look(), 300U);
  EXPECT_FALSE(is_loaded("old"));
  EXPECT_TRUE(is_loaded("new"));
}

TEST_F(CaretakerTest, UnderPressureIdleModelsGoAtOnceAndNoMoreThanNeeded) {
  reading_ = {1000, 140};  // another program took memory
  EXPECT_EQ(caretaker_.look(), 300U);
  EXPECT_FALSE(is_loaded("old"));
  EXPECT_TRUE(is_loaded("new"));
}

TEST_F(CaretakerTest, AReadingFromBeforeTheReliefIsNotActedOnTwice) {
  reading_ = {1000, 140};
  read_at_ = clock_.now();
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(caretaker_.look(), 300U);
  EXPECT_EQ(caretaker_.look(), 0U);
  read_at_ = clock_.now() + std::chrono::seconds(1);  // it is still that full
  EXPECT_EQ(caretaker_.look(), 300U);
}

TEST_F(CaretakerTest, OwnBooksAreReasonEnough) {
  settings_.cleanup_threshold_percent = 50;
  EXPECT_EQ(caretaker_.look(), 300U);
}

TEST_F(CaretakerTest, ALostDeviceIsNoObstacle) {
  reading_.reset();
  settings_.cleanup_threshold_percent = 20;
  EXPECT_EQ(caretaker_.look(), 600U);
}

TEST_F(CaretakerTest, DoesNothingWhenItIsSwitchedOff) {
  settings_.auto_cleanup_enabled = false;
  reading_ = {1000, 0};
  clock_.advance(std::chrono::hours(10));
  EXPECT_EQ(caretaker_.look(), 0U);
}

}  // namespace
}  // namespace greenroom::app
