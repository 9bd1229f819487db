#include "monitor/history.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace greenroom::monitor {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr unsigned kKibShift = 10;

std::uint32_t to_kib(std::uint64_t bytes) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(bytes >> kKibShift, std::numeric_limits<std::uint32_t>::max()));
}

std::uint64_t to_bytes(std::uint32_t kib) {
  return std::uint64_t{kib} << kKibShift;
}

std::optional<int> present(std::int16_t value, std::int16_t absent) {
  return value == absent ? std::nullopt : std::optional<int>(value);
}

std::optional<double> present(float watts) {
  return watts < 0 ? std::nullopt : std::optional<double>(watts);
}

std::int64_t to_ms(base::Clock::WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

History::History(const std::vector<base::DeviceId>& devices, std::chrono::nanoseconds interval) {
  constexpr std::int64_t kMostMoments = 4096;
  const auto wanted =
      kRecent / std::max<std::chrono::nanoseconds>(interval, std::chrono::milliseconds(1)) + 1;
  const auto moments = static_cast<std::size_t>(std::clamp<std::int64_t>(wanted, 2, kMostMoments));
  for (const auto device : devices) {
    Series series;
    series.device = device;
    series.moments.entries.resize(moments);
    series.minutes.entries.resize(static_cast<std::size_t>(kWhole.count()));
    series_.push_back(std::move(series));
  }
}

History::Moment History::to_moment(const Reading& reading, std::int64_t time_ms) {
  Moment moment;
  moment.time_ms = time_ms;
  const auto& telemetry = reading.telemetry;
  moment.total_kib = to_kib(reading.memory->total);
  moment.used_kib = to_kib(reading.memory->used());
  if (telemetry.power_watts) moment.watts = static_cast<float>(*telemetry.power_watts);
  if (telemetry.utilisation_percent) {
    moment.utilisation = static_cast<std::int16_t>(*telemetry.utilisation_percent);
  }
  if (telemetry.temperature_celsius) {
    moment.celsius = static_cast<std::int16_t>(*telemetry.temperature_celsius);
  }
  return moment;
}

void History::gather(Sums& sums, const Moment& moment) {
  Minute& minute = sums.so_far;
  minute.total_kib = moment.total_kib;
  minute.used_min_kib = sums.count == 0 ? moment.used_kib : std::min(minute.used_min_kib, moment.used_kib);
  minute.used_max_kib = std::max(minute.used_max_kib, moment.used_kib);
  sums.used_kib += moment.used_kib;
  ++sums.count;
  if (moment.utilisation != kAbsent) {
    sums.utilisation += moment.utilisation;
    ++sums.utilisation_count;
    minute.utilisation_max = std::max(minute.utilisation_max, moment.utilisation);
  }
  if (moment.celsius != kAbsent) minute.celsius_max = std::max(minute.celsius_max, moment.celsius);
  if (moment.watts >= 0) {
    sums.watts += moment.watts;
    ++sums.watts_count;
  }
}

History::Minute History::finish(const Sums& sums) {
  Minute minute = sums.so_far;
  minute.time_ms = sums.minute * kMinuteMs;
  minute.used_kib = static_cast<std::uint32_t>(sums.used_kib / sums.count);
  if (sums.utilisation_count > 0) {
    minute.utilisation = static_cast<std::int16_t>(
        std::lround(static_cast<double>(sums.utilisation) / sums.utilisation_count));
  }
  if (sums.watts_count > 0) minute.watts = static_cast<float>(sums.watts / sums.watts_count);
  return minute;
}

std::vector<HistoryPoint> History::add(const Sample& sample) {
  std::vector<HistoryPoint> completed;
  const std::int64_t time_ms = to_ms(sample.time);
  const std::int64_t minute = time_ms / kMinuteMs;
  for (Series& series : series_) {
    if (series.sums.minute != minute) {
      if (series.sums.count > 0) {
        series.minutes.push(finish(series.sums));
        completed.push_back(to_point(series.device, series.minutes.at(series.minutes.count - 1)));
      }
      series.sums = Sums();
      series.sums.minute = minute;
    }
    const auto reading = std::find_if(sample.readings.begin(), sample.readings.end(),
                                      [&](const Reading& one) { return one.device == series.device; });
    if (reading == sample.readings.end() || !reading->memory || !reading->answers) continue;  // a gap
    const Moment moment = to_moment(*reading, time_ms);
    series.moments.push(moment);
    gather(series.sums, moment);
  }
  return completed;
}

void History::restore(const HistoryPoint& point) {
  for (Series& series : series_) {
    if (series.device != point.device) continue;
    Minute minute;
    minute.time_ms = point.time_ms;
    minute.total_kib = to_kib(point.total);
    minute.used_kib = to_kib(point.used);
    minute.used_min_kib = to_kib(point.used_min);
    minute.used_max_kib = to_kib(point.used_max);
    minute.watts = static_cast<float>(point.power_watts.value_or(-1));
    minute.utilisation = static_cast<std::int16_t>(point.utilisation_percent.value_or(kAbsent));
    minute.utilisation_max = static_cast<std::int16_t>(point.utilisation_max_percent.value_or(kAbsent));
    minute.celsius_max = static_cast<std::int16_t>(point.temperature_celsius.value_or(kAbsent));
    series.minutes.push(minute);
  }
}

HistoryPoint History::to_point(base::DeviceId device, const Moment& moment) {
  HistoryPoint point;
  point.device = device;
  point.time_ms = moment.time_ms;
  point.total = to_bytes(moment.total_kib);
  point.used = point.used_min = point.used_max = to_bytes(moment.used_kib);
  point.utilisation_percent = point.utilisation_max_percent = present(moment.utilisation, kAbsent);
  point.temperature_celsius = present(moment.celsius, kAbsent);
  point.power_watts = present(moment.watts);
  return point;
}

HistoryPoint History::to_point(base::DeviceId device, const Minute& minute) {
  HistoryPoint point;
  point.device = device;
  point.time_ms = minute.time_ms;
  point.is_minute = true;
  point.total = to_bytes(minute.total_kib);
  point.used = to_bytes(minute.used_kib);
  point.used_min = to_bytes(minute.used_min_kib);
  point.used_max = to_bytes(minute.used_max_kib);
  point.utilisation_percent = present(minute.utilisation, kAbsent);
  point.utilisation_max_percent = present(minute.utilisation_max, kAbsent);
  point.temperature_celsius = present(minute.celsius_max, kAbsent);
  point.power_watts = present(minute.watts);
  return point;
}

std::vector<HistoryPoint> History::since(std::int64_t time_ms) const {
  std::vector<HistoryPoint> points;
  for (const Series& series : series_) {
    const std::int64_t recent_from =
        series.moments.count > 0 ? series.moments.at(0).time_ms : std::numeric_limits<std::int64_t>::max();
    for (std::size_t i = 0; i < series.minutes.count; ++i) {
      const Minute& minute = series.minutes.at(i);
      // A minute of which every sample is still there says nothing more.
      if (minute.time_ms >= time_ms && minute.time_ms < recent_from) {
        points.push_back(to_point(series.device, minute));
      }
    }
    for (std::size_t i = 0; i < series.moments.count; ++i) {
      const Moment& moment = series.moments.at(i);
      if (moment.time_ms >= time_ms) points.push_back(to_point(series.device, moment));
    }
  }
  return points;
}

std::size_t History::bytes() const {
  std::size_t bytes = sizeof(*this) + series_.capacity() * sizeof(Series);
  for (const Series& series : series_) {
    bytes += series.moments.entries.capacity() * sizeof(Moment);
    bytes += series.minutes.entries.capacity() * sizeof(Minute);
  }
  return bytes;
}

}  // namespace greenroom::monitor
