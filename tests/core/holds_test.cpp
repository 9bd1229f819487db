#include "core/holds.h"

#include <map>

#include "manager_fixture.h"

namespace greenroom::core {
namespace {

using base::ErrorCode;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HoldsTest : public ManagerFixture {
 protected:
  HoldRequest request(const std::string& owner, std::optional<seconds> lifetime = std::nullopt, int pid = 0) {
    return {owner, pid, {{"alice", model({part("a", 100)}), kCpu}}, lifetime};
  }
  std::vector<std::string> ended() const {
    std::vector<std::string> causes;
    for (const Event& event : sink_.events()) {
      if (event.type == EventType::kHoldExpired) causes.push_back(event.cause);
    }
    return causes;
  }

  std::map<int, std::uint64_t> processes_;
  Holds holds_{manager_, clock_, [this](int pid) -> std::optional<std::uint64_t> {
                 const auto found = processes_.find(pid);
                 if (found == processes_.end()) return std::nullopt;
                 return found->second;
               }};
};

TEST_F(HoldsTest, KeepsTheModelUntilReleased) {
  const auto id = holds_.take(request("singer"));
  EXPECT_EQ(manager_.model_info("alice")->holds, 1);
  ASSERT_EQ(holds_.list().size(), 1u);
  EXPECT_EQ(holds_.list()[0].owner, "singer");
  EXPECT_THAT(holds_.list()[0].models, ElementsAre("alice"));
  EXPECT_FALSE(holds_.list()[0].remaining_seconds);
  clock_.advance(seconds(1000));
  EXPECT_EQ(holds_.sweep(), 0u);
  holds_.release(id);
  EXPECT_EQ(caught([&] { holds_.release(id); }).code, ErrorCode::kNotFound);
  expect_nothing_left();
}

TEST_F(HoldsTest, EndsWhenNoHeartbeatCame) {
  const auto id = holds_.take(request("singer", seconds(30)));
  clock_.advance(seconds(20));
  holds_.heartbeat(id);
  clock_.advance(seconds(29));
  EXPECT_EQ(holds_.sweep(), 0u);
  EXPECT_EQ(holds_.list()[0].remaining_seconds, 1.0);
  EXPECT_EQ(holds_.list()[0].age_seconds, 49.0);
  clock_.advance(seconds(1));
  EXPECT_THAT(holds_.list(), IsEmpty()) << "over, though not swept yet";
  EXPECT_EQ(caught([&] { holds_.heartbeat(id); }).code, ErrorCode::kNotFound);
  EXPECT_EQ(holds_.sweep(), 1u);
  expect_nothing_left();
  EXPECT_THAT(ended(), ElementsAre("the hold of singer: no heartbeat for 30 s"));
}

TEST_F(HoldsTest, EndsWithItsProcessAndIsNotFooledByAReusedNumber) {
  processes_ = {{100, 7}, {101, 8}};
  holds_.take(request("one", std::nullopt, 100));
  holds_.take(request("two", std::nullopt, 101));
  EXPECT_EQ(holds_.sweep(), 0u);
  processes_.erase(100);
  processes_[101] = 9;
  EXPECT_EQ(holds_.sweep(), 2u);
  expect_nothing_left();
  EXPECT_THAT(ended()[0], HasSubstr("process 100, ended"));
}

TEST_F(HoldsTest, WithoutTheLastHoldTheModelOfOthersStays) {
  const auto alice = model({part("a", 100)});
  manager_.load("alice", alice, kCpu);
  const auto id = holds_.take({"singer", 0, {{"alice", alice, kCpu}}, std::nullopt});
  EXPECT_EQ(manager_.model_info("alice")->holds, 2);
  holds_.release(id);
  EXPECT_EQ(manager_.model_info("alice")->holds, 1);
}

TEST_F(HoldsTest, AForcedUnloadLeavesAnEmptyHold) {
  holds_.take(request("singer", seconds(1)));
  manager_.unload("alice", UnloadMode::kForce);
  EXPECT_THAT(holds_.list()[0].models, IsEmpty());
  clock_.advance(seconds(1));
  EXPECT_EQ(holds_.sweep(), 1u);
  EXPECT_THAT(ended(), IsEmpty()) << "it kept nothing";
}

TEST_F(HoldsTest, WrongRequestsAreRefused) {
  auto anonymous = request("");
  EXPECT_EQ(caught([&] { holds_.take(anonymous); }).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(caught([&] { holds_.take({"singer", 0, {}, std::nullopt}); }).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(caught([&] { holds_.take(request("singer", seconds(0))); }).code, ErrorCode::kInvalidArgument);
  const auto error = caught([&] { holds_.take(request("singer", std::nullopt, 4711)); });
  EXPECT_THAT(error.message, HasSubstr("no process 4711"));
  expect_nothing_left();
}

TEST_F(HoldsTest, IdsAreNeverUsedAgain) {
  const auto first = holds_.take(request("singer"));
  holds_.release(first);
  EXPECT_NE(holds_.take(request("singer")), first);
}

TEST_F(HoldsTest, ManyThreadsTakeReleaseAndSweep) {
  const auto alice = model({part("a", 100)});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) {
          const auto id = holds_.take({"singer", 0, {{"alice", alice, kCpu}}, seconds(1 + i % 2)});
          if (i % 3 == 0) clock_.advance(seconds(1));
          holds_.sweep();
          caught([&] { holds_.heartbeat(id); });
          if (i % 2 == 0) caught([&] { holds_.release(id); });
        }
      });
    }
  }
  clock_.advance(seconds(3));
  holds_.sweep();
  expect_nothing_left();
}

}  // namespace
}  // namespace greenroom::core
