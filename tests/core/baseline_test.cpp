#include "core/baseline.h"

#include "manager_fixture.h"

namespace greenroom::core {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class BaselineTest : public ManagerFixture {
 protected:
  void add(const std::string& id, std::uint64_t bytes, int priority = 0) {
    const auto baseline_model = model({part(id, bytes)});
    baseline_.add({id, priority, [this, id, baseline_model] {
                     ++resolved_;
                     if (broken_ == id) throw base::Error(base::ErrorCode::kDataLoss, "torn");
                     return GroupMember{id, baseline_model, kCpu};
                   }});
  }
  bool is_loaded(const std::string& id) const { return manager_.model_status(id) == ModelStatus::kLoaded; }

  seconds quiet_{60};
  std::string broken_;
  int resolved_ = 0;
  Baseline baseline_{manager_, clock_, [this] { return quiet_; }};
};

TEST_F(BaselineTest, ComesBackWhenTheBurstIsOverAndNotBefore) {
  add("house", 400);
  EXPECT_THAT(baseline_.restore(), ElementsAre("house"));
  manager_.preload("guest", model({part("guest", 900)}), kCpu);
  EXPECT_FALSE(is_loaded("house")) << "it gives way";
  quiet_ = seconds(1);
  EXPECT_THAT(baseline_.restore(), IsEmpty());
  quiet_ = seconds(10);
  EXPECT_THAT(baseline_.restore(), ElementsAre("house"));
  EXPECT_FALSE(is_loaded("guest"));
  EXPECT_THAT(baseline_.restore(), IsEmpty()) << "it is there";
}

TEST_F(BaselineTest, TakesNoRoomFromWhatIsHeldAndSaysNothing) {
  add("house", 400);
  manager_.load("guest", model({part("guest", 900)}), kCpu);
  EXPECT_THAT(baseline_.restore(), IsEmpty());
  EXPECT_TRUE(is_loaded("guest"));
  manager_.unload("guest");
  EXPECT_THAT(baseline_.restore(), ElementsAre("house"));
}

TEST_F(BaselineTest, BaselineModelsDoNotPushEachOtherOut) {
  add("low", 600, 1);
  add("high", 600, 2);
  EXPECT_THAT(baseline_.restore(), ElementsAre("high"));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(baseline_.restore(), IsEmpty());
  EXPECT_TRUE(is_loaded("high"));
  EXPECT_EQ(manager_.model_info("high")->holds, 0);
}

TEST_F(BaselineTest, MakesRoomFromOthersWhileItsOwnStay) {
  add("one", 300);
  add("two", 300);
  baseline_.restore();
  manager_.preload("guest", model({part("guest", 400)}), kCpu);
  manager_.unload("two", UnloadMode::kForce);
  manager_.preload("guest2", model({part("guest2", 300)}), kCpu);
  manager_.touch("guest");
  manager_.touch("guest2");
  EXPECT_THAT(baseline_.restore(), ElementsAre("two"));
  EXPECT_TRUE(is_loaded("one"));
}

TEST_F(BaselineTest, NoIdleSweepTakesItUntilItIsRemoved) {
  add("house", 400);
  baseline_.restore();
  clock_.advance(std::chrono::hours(5));
  EXPECT_EQ(manager_.sweep(seconds(60)), 0u);
  EXPECT_TRUE(baseline_.remove("house"));
  EXPECT_FALSE(baseline_.remove("house"));
  EXPECT_EQ(manager_.sweep(seconds(60)), 400u);
  EXPECT_THAT(baseline_.restore(), IsEmpty());
}

TEST_F(BaselineTest, OneThatCannotBeLoadedIsTriedLessAndLessOften) {
  add("house", 400);
  broken_ = "house";
  baseline_.restore();
  baseline_.restore();
  EXPECT_EQ(resolved_, 1);
  clock_.advance(seconds(30));
  baseline_.restore();
  clock_.advance(seconds(30));
  baseline_.restore();
  EXPECT_EQ(resolved_, 2);
  clock_.advance(seconds(30));
  broken_.clear();
  EXPECT_THAT(baseline_.restore(), ElementsAre("house"));
}

}  // namespace
}  // namespace greenroom::core
