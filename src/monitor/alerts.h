// When somebody has to be told: thresholds, and what was told already.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "monitor/sample.h"

namespace greenroom::monitor {

enum class AlertLevel { kNone, kWarning, kCritical };

struct Threshold {
  double warning = 0;
  double critical = 0;
};

struct AlertOptions {
  Threshold device_memory_percent{80, 90};
  Threshold host_memory_percent{85, 95};
  Threshold thermal_headroom_celsius{5, 0};  // until the device slows down: at or below
  double memory_hysteresis_percent = 5;      // an alert ends that far below its threshold
  double thermal_hysteresis_celsius = 3;
  std::chrono::nanoseconds error_lasts = std::chrono::minutes(10);   // an XID, from its report on
  std::chrono::nanoseconds cooldown = std::chrono::seconds(30);      // between two onsets of one level
  std::chrono::nanoseconds repeat_after = std::chrono::minutes(30);  // while it lasts
};

// The names are the seed's; `rule` tells the kinds apart.
struct MemoryAlert {
  base::Clock::WallTime timestamp;
  std::string alert_type;  // "warning", "critical", "cleared"
  std::string rule;        // "memory", "thermal", "error", "device"
  std::string device;      // "cpu", "cuda:0"
  std::string message;
  double memory_usage = 0;  // percent; of another rule than "memory": what it looks at
  double threshold = 0;     // that was crossed, in the same unit
};

// Decides from one sample after the other. A device's rule has a level; the world is told when the level it
// knows is too low (at once, unless that very level was announced within the cool-down; a warning never holds
// back a critical), when it is too high (at once), and again after `repeat_after`. So there is one "cleared"
// for every onset that was told. A reading that is absent changes nothing. Not thread-safe.
class AlertEvaluator {
 public:
  explicit AlertEvaluator(const AlertOptions& options) : options_(options) {}

  std::vector<MemoryAlert> evaluate(const Sample& sample);
  void set_options(const AlertOptions& options) { options_ = options; }

  // The level of every device and rule that is not calm: {"cuda:0", "memory"}.
  std::map<std::pair<std::string, std::string>, AlertLevel> firing() const;

 private:
  struct State {
    AlertLevel level = AlertLevel::kNone;
    AlertLevel told = AlertLevel::kNone;
    std::map<AlertLevel, base::Clock::TimePoint> told_at;
  };
  // A value that grows worse as it grows.
  struct Measure {
    const char* rule;
    double value;
    Threshold threshold;
    double hysteresis;
  };
  static std::vector<Measure> measures(const Reading& reading, const AlertOptions& options,
                                       base::Clock::TimePoint now);
  static double error_level(const devices::Telemetry& telemetry, const AlertOptions& options,
                            base::Clock::TimePoint now);
  bool is_due(const State& state, base::Clock::TimePoint now) const;

  AlertOptions options_;
  std::map<std::pair<std::string, std::string>, State> states_;  // by device and rule
};

}  // namespace greenroom::monitor
