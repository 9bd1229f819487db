#include "core/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace greenroom::core {
namespace {

using std::chrono::seconds;
using State = Schedule::ModelState;
using TimePoint = base::Clock::TimePoint;
using ::testing::ElementsAre;

TimePoint at(int second) {
  return TimePoint(seconds(second));
}

// A schedule with one device that serves one request after the other, a second each, at once.
class Player {
 public:
  explicit Player(const ScheduleOptions& options = {}) : schedule(options) {}

  void add(const std::string& model, int priority = 0, int arrival = 0, double cost = 1) {
    schedule.add({++last_id, model, priority, cost, at(arrival)});
    models[last_id] = model;
  }
  void ready(const std::string& model) { schedule.set_state(model, State::kReady); }
  // The models of the next turns.
  std::vector<std::string> play(int turns, int now = 0) {
    std::vector<std::string> result;
    for (; turns > 0; --turns) {
      const auto choice = schedule.choose(at(now));
      if (choice.swap || !choice.run) break;
      schedule.take(*choice.run, at(now));
      result.push_back(models.at(*choice.run));
    }
    return result;
  }

  Schedule schedule;
  std::uint64_t last_id = 0;
  std::map<std::uint64_t, std::string> models;
};

TEST(Schedule, ModelsShareWithinAPriorityHoweverManyTheirRequests) {
  Player player;
  for (int i = 0; i < 6; ++i) player.add("greedy");
  for (int i = 0; i < 3; ++i) player.add("modest");
  player.ready("greedy");
  player.ready("modest");
  const auto turns = player.play(6);
  EXPECT_EQ(std::count(turns.begin(), turns.end(), "modest"), 3);
}

TEST(Schedule, ALongRequestCountsForMore) {
  Player player;
  for (int i = 0; i < 4; ++i) player.add("long", 0, 0, 3);
  for (int i = 0; i < 12; ++i) player.add("short", 0, 0, 1);
  player.ready("long");
  player.ready("short");
  const auto turns = player.play(8);
  EXPECT_EQ(std::count(turns.begin(), turns.end(), "short"), 6) << "three for one";
}

TEST(Schedule, WhoWasAwayGetsNoCreditForIt) {
  Player player;
  for (int i = 0; i < 20; ++i) player.add("steady");
  player.ready("steady");
  player.play(10);
  for (int i = 0; i < 10; ++i) player.add("late");
  player.ready("late");
  const auto turns = player.play(10);
  EXPECT_EQ(std::count(turns.begin(), turns.end(), "late"), 5);
}

TEST(Schedule, PriorityGoesFirst) {
  Player player;
  player.add("a", 0);
  player.add("b", 5);
  player.add("c", -5);
  for (const char* model : {"a", "b", "c"}) player.ready(model);
  EXPECT_THAT(player.play(3), ElementsAre("b", "a", "c"));
}

TEST(Schedule, LoadedModelsGoFirstUntilTheAbsentOneHasWaitedItsTime) {
  Player player({.group_wait = seconds(5)});
  player.add("absent", 0, 0);
  for (int i = 0; i < 9; ++i) player.add("loaded", 0, 1);
  player.ready("loaded");
  EXPECT_EQ(player.play(3, 4).size(), 3u);
  const auto choice = player.schedule.choose(at(5));
  ASSERT_TRUE(choice.swap);
  EXPECT_EQ(player.models.at(*choice.swap), "absent");
}

TEST(Schedule, AnUrgentAbsentOneDoesNotWait) {
  Player player;
  player.add("loaded", 0);
  player.ready("loaded");
  player.add("absent", 1);
  EXPECT_TRUE(player.schedule.choose(at(0)).swap);
}

TEST(Schedule, ASwappedInModelKeepsTheDeviceForAWhile) {
  Player player({.group_wait = seconds(5)});
  player.add("new", 0, 0);
  player.add("new", 0, 0);
  player.add("old", 0, 0);
  player.ready("new");
  player.schedule.swapped(at(10));
  EXPECT_FALSE(player.schedule.choose(at(14)).swap);
  player.play(1, 14);
  EXPECT_TRUE(player.schedule.choose(at(15)).swap) << "old has waited, and new had its time";
}

TEST(Schedule, WhoIsLoadingIsWaitedForByNobody) {
  Player player;
  player.add("coming");
  player.schedule.set_state("coming", State::kLoading);
  EXPECT_FALSE(player.schedule.choose(at(100)).run);
  EXPECT_FALSE(player.schedule.choose(at(100)).swap);
  player.add("loaded");
  player.ready("loaded");
  EXPECT_THAT(player.play(2, 100), ElementsAre("loaded"));
}

TEST(Schedule, HeadsAreTheFirstOfEachAbsentModel) {
  Player player;
  player.add("a", 0);
  player.add("a", 3);
  player.add("b", 1);
  player.add("c", 9);
  player.ready("c");
  EXPECT_THAT(player.schedule.absent_heads(), ElementsAre(2u, 3u));
}

// Random traffic of several priorities and models through a device with room for one model: nobody waits
// for longer than the bound, whatever the others do, and swaps are rare.
class ScheduleProperty : public ::testing::TestWithParam<unsigned> {};

TEST_P(ScheduleProperty, NobodyStarvesAndSwapsAreBounded) {
  constexpr int kGroupWait = 5;
  constexpr int kLongestWait = 60;
  constexpr int kLoadSeconds = 2;
  constexpr int kModels = 5;
  constexpr std::size_t kCapacity = 20;
  std::mt19937 random(GetParam());
  Schedule schedule({seconds(kGroupWait), seconds(kLongestWait)});
  std::map<std::uint64_t, WaitingRequest> waiting;
  std::uint64_t last_id = 0;
  std::string resident = "m0";
  int longest = 0;
  int swaps = 0;
  int served = 0;
  int now = 0;
  while (served < 20000) {
    // More than can be served: one or two arrive per second of service; the queue is always full. High
    // priorities never pause.
    while (schedule.size() < kCapacity) {
      const int priority = random() % 4 == 0 ? -5 : static_cast<int>(random() % 3) * 5;
      const WaitingRequest request{++last_id, "m" + std::to_string(random() % kModels), priority,
                                   1.0 + static_cast<double>(random() % 3), at(now)};
      schedule.add(request);
      schedule.set_state(request.model, request.model == resident ? State::kReady : State::kAbsent);
      waiting[request.id] = request;
    }
    const auto choice = schedule.choose(at(now));
    if (choice.swap) {
      schedule.set_state(resident, State::kAbsent);
      resident = waiting.at(*choice.swap).model;
      schedule.set_state(resident, State::kReady);
      schedule.swapped(at(now));
      ++swaps;
      now += kLoadSeconds;
      continue;
    }
    ASSERT_TRUE(choice.run);
    ASSERT_EQ(waiting.at(*choice.run).model, resident);
    longest = std::max(longest, static_cast<int>((at(now) - waiting.at(*choice.run).arrival) / seconds(1)));
    schedule.take(*choice.run, at(now));
    waiting.erase(*choice.run);
    ++served;
    now += 1;
  }
  // Overdue after 60 s; then at most `capacity` older ones are before it, each with every second turn, and a
  // swap and its time before each change of model.
  constexpr int kBound = kLongestWait + static_cast<int>(kCapacity) * 2 * (kGroupWait + kLoadSeconds + 1);
  EXPECT_LE(longest, kBound);
  EXPECT_GT(longest, kGroupWait);
  // Urgent requests may swap at any time; the others at most once in group_wait.
  RecordProperty("swaps", swaps);
  EXPECT_LT(swaps, served / 2);
}

TEST_P(ScheduleProperty, WithOnePriorityThereIsAtMostOneSwapPerGroupWait) {
  std::mt19937 random(GetParam());
  Schedule schedule({seconds(5), seconds(60)});
  std::map<std::uint64_t, WaitingRequest> waiting;
  std::uint64_t last_id = 0;
  std::string resident = "m0";
  int last_swap = -100;
  int longest = 0;
  int now = 0;
  for (int served = 0; served < 20000;) {
    while (schedule.size() < 30) {
      const WaitingRequest request{++last_id, "m" + std::to_string(random() % 4), 0, 1, at(now)};
      schedule.add(request);
      schedule.set_state(request.model, request.model == resident ? State::kReady : State::kAbsent);
      waiting[request.id] = request;
    }
    const auto choice = schedule.choose(at(now));
    if (choice.swap) {
      const bool idle = std::none_of(waiting.begin(), waiting.end(),
                                     [&](const auto& entry) { return entry.second.model == resident; });
      EXPECT_TRUE(idle || now - last_swap >= 5) << "thrash at " << now;
      last_swap = now;
      schedule.set_state(resident, State::kAbsent);
      resident = waiting.at(*choice.swap).model;
      schedule.set_state(resident, State::kReady);
      schedule.swapped(at(now));
      now += 1;
      continue;
    }
    longest = std::max(longest, static_cast<int>((at(now) - waiting.at(*choice.run).arrival) / seconds(1)));
    schedule.take(*choice.run, at(now));
    waiting.erase(*choice.run);
    ++served;
    now += 1;
  }
  EXPECT_LE(longest, 60 + 30 * 2 * 7);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ScheduleProperty, ::testing::Values(1u, 2u, 3u, 4u, 5u));

}  // namespace
}  // namespace greenroom::core
