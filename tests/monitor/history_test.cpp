#include "monitor/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::monitor {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::int64_t kStartMs = 1'800'000'000'000;  // the beginning of a minute
constexpr base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

Sample sample_at(std::int64_t second, std::uint64_t used_mib, std::optional<int> utilisation = std::nullopt) {
  Sample sample;
  sample.time = base::Clock::WallTime(std::chrono::milliseconds(kStartMs + second * 1000));
  Reading reading;
  reading.device = kGpu;
  reading.memory = devices::DeviceMemory{1000 * kMiB, (1000 - used_mib) * kMiB};
  reading.telemetry.utilisation_percent = utilisation;
  sample.readings = {reading};
  return sample;
}

TEST(History, KeepsTenMinutesOfSamplesAndThinsWhatIsOlder) {
  History history({kGpu}, seconds(2));
  for (int second = 0; second < 3600; second += 2) {
    history.add(sample_at(second, second == 100 ? 900 : 10, second == 100 ? 99 : 1));
  }
  const auto recent = history.since(kStartMs + 3000 * 1000);
  EXPECT_EQ(recent.size(), 300u);
  EXPECT_FALSE(recent.front().is_minute);
  const auto all = history.since(0);
  const auto minutes =
      std::count_if(all.begin(), all.end(), [](const auto& point) { return point.is_minute; });
  EXPECT_EQ(minutes, 50);
  EXPECT_EQ(all.size(), 50u + 301u);
  EXPECT_EQ(all[1].time_ms, kStartMs + 60'000);
  EXPECT_EQ(all[1].used_max, 900 * kMiB) << "a peak of two seconds is still there";
  EXPECT_EQ(all[1].used_min, 10 * kMiB);
  EXPECT_EQ(all[1].used / kMiB, (29 * 10 + 900) / 30u);
  EXPECT_EQ(all[1].utilisation_max_percent, 99);
  EXPECT_EQ(all[1].utilisation_percent, 4);
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_LT(all[i - 1].time_ms, all[i].time_ms);
}

TEST(History, IsOfAFixedSize) {
  History history({kGpu, {}}, seconds(2));
  const std::size_t before = history.bytes();
  for (int second = 0; second < 2 * 24 * 3600; second += 2) history.add(sample_at(second, 10));
  EXPECT_EQ(history.bytes(), before);
  EXPECT_LT(before, 150'000u) << "of two devices";
  const auto all = history.since(0);
  EXPECT_EQ(all.front().time_ms, kStartMs + (48 * 60 - 1 - 1440) * 60'000) << "a day and no more";
}

TEST(History, AReadingThatIsAbsentLeavesAGap) {
  History history({kGpu}, seconds(2));
  history.add(sample_at(0, 10));
  auto lost = sample_at(2, 10);
  lost.readings[0].memory.reset();
  history.add(lost);
  auto silent = sample_at(4, 10);
  silent.readings[0].answers = false;
  history.add(silent);
  history.add(sample_at(6, 10));
  EXPECT_EQ(history.since(0).size(), 2u);
  EXPECT_EQ(history.since(0)[0].utilisation_percent, std::nullopt);
}

TEST(History, HandsOutMinutesThatALaterRunTakesBack) {
  History first({kGpu}, seconds(2));
  std::vector<HistoryPoint> minutes;
  for (int second = 0; second < 180; second += 2) {
    for (const auto& minute : first.add(sample_at(second, 10, 50))) minutes.push_back(minute);
  }
  ASSERT_EQ(minutes.size(), 2u);
  History second({kGpu}, seconds(2));
  for (const auto& minute : minutes) second.restore(minute);
  second.add(sample_at(300, 20));
  const auto all = second.since(0);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0], minutes[0]);
  EXPECT_EQ(all[1], minutes[1]);
}

TEST(History, AClockThatJumpsBackBreaksNothing) {
  History history({kGpu}, seconds(2));
  history.add(sample_at(600, 10));
  history.add(sample_at(0, 20));
  history.add(sample_at(2, 30));
  EXPECT_EQ(history.since(kStartMs).size(), 3u);
}

}  // namespace
}  // namespace greenroom::monitor
