#include "app/event_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using testing::ElementsAre;

HistoryEntry entry(const std::string& type, const std::string& model, std::int64_t time_ms = 0) {
  HistoryEntry entry;
  entry.type = type;
  entry.model_id = model;
  entry.time_ms = time_ms;
  return entry;
}

std::vector<std::int64_t> times(const std::vector<HistoryEntry>& entries) {
  std::vector<std::int64_t> times;
  for (const auto& entry : entries) times.push_back(entry.time_ms);
  return times;
}

TEST(EventHistory, KeepsEveryField) {
  const test::TempDir dir;
  HistoryEntry written{.time_ms = 1764081234567,
                       .type = "evicted",
                       .model_id = "alto",
                       .model_type = "ddsp_svc",
                       .device = "cuda:1",
                       .component = "rmvpe (model.pt)",
                       .bytes = 5'000'000'000,
                       .seconds = 0.25,
                       .message = "it's \"so\"",
                       .cause = "for loading 'tenor', idle 41 s"};
  { EventHistory(dir / "events.db").append(written); }
  written.id = 1;
  EXPECT_THAT(EventHistory(dir / "events.db").query({}), ElementsAre(written));
}

TEST(EventHistory, FiltersByModelTypeAndId) {
  EventHistory history(":memory:");
  history.append(entry("load_started", "alto", 1));
  history.append(entry("load_started", "tenor", 2));
  history.append(entry("evicted", "alto", 3));
  history.append(entry("load_started", "alto", 4));
  EXPECT_THAT(times(history.query({.model_id = "alto"})), ElementsAre(1, 3, 4));
  EXPECT_THAT(times(history.query({.type = "load_started"})), ElementsAre(1, 2, 4));
  EXPECT_THAT(times(history.query({.model_id = "alto", .type = "load_started"})), ElementsAre(1, 4));
  EXPECT_THAT(times(history.query({.since_id = 2})), ElementsAre(3, 4));
  EXPECT_THAT(times(history.query({.limit = 2})), ElementsAre(1, 2));
  EXPECT_THAT(times(history.query({.limit = 2, .newest = true})), ElementsAre(3, 4));
}

TEST(EventHistory, IsBoundedAndNeverUsesAnIdTwice) {
  const test::TempDir dir;
  constexpr std::size_t kBound = 50;
  for (int round = 0; round < 4; ++round) {
    EventHistory history(dir / "events.db", kBound);
    for (int i = 0; i < 60; ++i) {
      history.append(entry("evicted", "alto", round * 60 + i));
      history.flush();
    }
  }
  const auto entries = EventHistory(dir / "events.db", kBound).query({});
  EXPECT_GE(entries.size(), kBound);
  EXPECT_LE(entries.size(), kBound + kBound / 10 + 1);
  EXPECT_EQ(entries.back().id, 240);
  EXPECT_EQ(entries.back().time_ms, 239);
}

TEST(EventHistory, AppendingNeverWaitsForTheFileAndCountsWhatIsLost) {
  const test::TempDir dir;
  constexpr std::size_t kQueue = 8;
  EventHistory history(dir / "events.db", 1000, kQueue);
  {
    // The write lock is taken: the history's writer has to wait, whoever appends has not.
    Database other(dir / "events.db", Durability::kProcess);
    const Transaction blocking(other);
    for (int i = 0; i < 1000; ++i) history.append(entry("evicted", "alto", i));
  }
  const auto kept = history.query({}).size();
  EXPECT_GT(history.lost(), 0U);
  EXPECT_EQ(kept + history.lost(), 1000U);
}

TEST(EventHistory, TakesEventsOfManyThreadsAndWritesAll) {
  EventHistory history(":memory:");
  constexpr int kEach = 500;
  std::vector<std::thread> threads;
  for (const char* model : {"a", "b", "c", "d"}) {
    threads.emplace_back([&history, model] {
      for (int i = 0; i < kEach; ++i) history.append(entry("evicted", model, i));
    });
  }
  for (auto& thread : threads) thread.join();
  const auto of_one = times(history.query({.model_id = "c"}));
  EXPECT_EQ(of_one.size(), std::size_t{kEach});
  EXPECT_TRUE(std::is_sorted(of_one.begin(), of_one.end()));
  EXPECT_EQ(history.lost(), 0U);
}

}  // namespace
}  // namespace greenroom::app
