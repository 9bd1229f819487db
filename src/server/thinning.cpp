#include "server/thinning.h"

#include <algorithm>
#include <map>
#include <optional>

namespace greenroom::server {
namespace {

// The mean of the readings that are there.
class Mean {
 public:
  void add(std::optional<double> value) {
    if (!value) return;
    sum_ += *value;
    ++count_;
  }
  base::Json json() const { return count_ == 0 ? base::Json() : base::Json(sum_ / count_); }

 private:
  double sum_ = 0;
  int count_ = 0;
};

struct Bucket {
  std::int64_t time_ms = 0;
  std::uint64_t total = 0, used_max = 0;
  Mean used, utilisation, watts;
  std::optional<int> celsius;

  void add(const monitor::HistoryPoint& point) {
    time_ms = point.time_ms;
    total = point.total;
    used_max = std::max({used_max, point.used_max, point.used});
    used.add(static_cast<double>(point.used));
    utilisation.add(point.utilisation_percent);
    watts.add(point.power_watts);
    if (point.temperature_celsius)
      celsius = std::max(celsius.value_or(INT32_MIN), *point.temperature_celsius);
  }
};

void append(base::Json& series, const Bucket& bucket) {
  series["time_ms"].push_back(bucket.time_ms);
  series["total"].push_back(bucket.total);
  series["used"].push_back(static_cast<std::uint64_t>(bucket.used.json().get<double>()));
  series["used_max"].push_back(bucket.used_max);
  series["utilisation_percent"].push_back(bucket.utilisation.json());
  series["temperature_celsius"].push_back(bucket.celsius ? base::Json(*bucket.celsius) : base::Json());
  series["power_watts"].push_back(bucket.watts.json());
}

}  // namespace

base::Json series_json(const std::vector<monitor::HistoryPoint>& points, std::int64_t bucket_ms) {
  std::map<base::DeviceId, std::map<std::int64_t, Bucket>> devices;
  for (const auto& point : points) devices[point.device][point.time_ms / bucket_ms].add(point);
  base::Json result = base::Json::array();
  for (const auto& [device, buckets] : devices) {
    base::Json series = {{"device", base::to_string(device)}};
    for (const char* name : {"time_ms", "total", "used", "used_max", "utilisation_percent",
                             "temperature_celsius", "power_watts"}) {
      series[name] = base::Json::array();
    }
    for (const auto& [number, bucket] : buckets) append(series, bucket);
    result.push_back(std::move(series));
  }
  return result;
}

}  // namespace greenroom::server
