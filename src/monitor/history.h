// What the devices said in the last 24 hours, in a number of bytes that does not grow.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monitor/sample.h"

namespace greenroom::monitor {

// One moment, or one minute, of one device. `used` of a minute is the mean; its extremes stand beside it, so
// that thinning hides no peak.
struct HistoryPoint {
  base::DeviceId device;
  std::int64_t time_ms = 0;  // since 1970, UTC; of a minute: its beginning
  bool is_minute = false;
  std::uint64_t total = 0, used = 0, used_min = 0, used_max = 0;  // bytes, to the kibibyte
  std::optional<int> utilisation_percent, utilisation_max_percent;
  std::optional<int> temperature_celsius;  // of a minute: the highest
  std::optional<double> power_watts;       // of a minute: the mean

  bool operator==(const HistoryPoint&) const = default;
};

// Every sample of the last ten minutes, and every minute of the last day. Allocates nothing after its
// construction. Not thread-safe; used by MemoryMonitor under its lock.
class History {
 public:
  static constexpr std::chrono::minutes kRecent{10};
  static constexpr std::chrono::minutes kWhole{24 * 60};

  // `interval` is the time between samples; with a shorter one than it was made for, the ten minutes get
  // shorter.
  History(const std::vector<base::DeviceId>& devices, std::chrono::nanoseconds interval);

  // Returns the minutes that this sample completed, of devices that had something to say in them.
  std::vector<HistoryPoint> add(const Sample& sample);
  // A minute of an earlier run; in the order of time, before the first add(). One of an unknown device is
  // ignored.
  void restore(const HistoryPoint& minute);

  // Ascending in time for each device, one device after the other: minutes first, then the samples.
  std::vector<HistoryPoint> since(std::int64_t time_ms) const;

  std::size_t bytes() const;  // that it occupies

 private:
  static constexpr std::int16_t kAbsent = -32768;
  struct Moment {
    std::int64_t time_ms = 0;
    std::uint32_t total_kib = 0, used_kib = 0;
    float watts = -1;  // negative: absent
    std::int16_t utilisation = kAbsent, celsius = kAbsent;
  };
  struct Minute {
    std::int64_t time_ms = 0;
    std::uint32_t total_kib = 0, used_kib = 0, used_min_kib = 0, used_max_kib = 0;
    float watts = -1;
    std::int16_t utilisation = kAbsent, utilisation_max = kAbsent, celsius_max = kAbsent;
  };
  // The newest `capacity` entries.
  template <typename Entry>
  struct Ring {
    std::vector<Entry> entries;
    std::size_t next = 0, count = 0;

    void push(const Entry& entry) {
      entries[next] = entry;
      next = (next + 1) % entries.size();
      count = std::min(count + 1, entries.size());
    }
    const Entry& at(std::size_t age_from_oldest) const {
      return entries[(next + entries.size() - count + age_from_oldest) % entries.size()];
    }
  };
  // The minute that is going on.
  struct Sums {
    std::int64_t minute = -1;  // since 1970
    Minute so_far;
    std::uint64_t count = 0, used_kib = 0;
    std::uint32_t utilisation_count = 0, watts_count = 0;
    std::int64_t utilisation = 0;
    double watts = 0;
  };
  struct Series {
    base::DeviceId device;
    Ring<Moment> moments;
    Ring<Minute> minutes;
    Sums sums;
  };
  static Moment to_moment(const Reading& reading, std::int64_t time_ms);
  static void gather(Sums& sums, const Moment& moment);
  static Minute finish(const Sums& sums);
  static HistoryPoint to_point(base::DeviceId device, const Moment& moment);
  static HistoryPoint to_point(base::DeviceId device, const Minute& minute);

  std::vector<Series> series_;
};

}  // namespace greenroom::monitor
