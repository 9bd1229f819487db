// A history of many points as one of few, whose peaks are still there.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "monitor/history.h"

namespace greenroom::server {

// One object per device: "device", "time_ms", "total", "used" (the mean), "used_max" and the readings, each
// an array with one value per span of `bucket_ms` in which there was a point; null where a reading is absent.
base::Json series_json(const std::vector<monitor::HistoryPoint>& points, std::int64_t bucket_ms);

}  // namespace greenroom::server
