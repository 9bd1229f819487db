#include "monitor/alerts.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

#include "base/bytes.h"
#include "devices/xid.h"

namespace greenroom::monitor {
namespace {

constexpr const char* kMemory = "memory";
constexpr const char* kThermal = "thermal";
constexpr const char* kDevice = "device";
constexpr const char* kError = "error";

AlertLevel next_level(AlertLevel level, double value, const Threshold& threshold, double hysteresis) {
  if (value >= threshold.critical) return AlertLevel::kCritical;
  if (level == AlertLevel::kCritical && value > threshold.critical - hysteresis) return AlertLevel::kCritical;
  if (value >= threshold.warning) return AlertLevel::kWarning;
  if (level != AlertLevel::kNone && value > threshold.warning - hysteresis) return AlertLevel::kWarning;
  return AlertLevel::kNone;
}

const char* type_of(AlertLevel level) {
  switch (level) {
    case AlertLevel::kNone:
      return "cleared";
    case AlertLevel::kWarning:
      return "warning";
    case AlertLevel::kCritical:
      return "critical";
  }
  return "";
}

std::string describe(const Reading& reading, const std::string& rule, AlertLevel level, double threshold) {
  const std::string who = fmt::format("{} ({})", base::to_string(reading.device), reading.name);
  if (rule == kDevice) return level == AlertLevel::kNone ? who + " answers again" : reading.problem;
  if (rule == kError) {
    const std::string what = devices::describe_xid(reading.telemetry.last_xid.value_or(0));
    return fmt::format("{}: {}{}", who, level == AlertLevel::kNone ? "no error since: " : "", what);
  }
  if (rule == kThermal) {
    const int headroom = reading.telemetry.thermal_headroom_celsius.value_or(0);
    return fmt::format(
        "{}: {} °C from slowing itself down{}", who, headroom,
        level == AlertLevel::kNone ? ", cool again" : fmt::format(" (threshold: {:.0f} °C)", threshold));
  }
  const std::string how_full =
      fmt::format("{}: {:.1f} % of memory in use, {} free", who, reading.memory_percent().value_or(0),
                  base::format_bytes(reading.memory ? reading.memory->free : 0));
  return how_full +
         (level == AlertLevel::kNone ? "; enough again" : fmt::format(" (threshold: {:.1f} %)", threshold));
}

}  // namespace

// 1 and 2: a warning and a critical error that the driver reported not long ago.
double AlertEvaluator::error_level(const devices::Telemetry& telemetry, const AlertOptions& options,
                                   base::Clock::TimePoint now) {
  if (!telemetry.last_xid || now - telemetry.last_xid_at >= options.error_lasts) return 0;
  return static_cast<double>(devices::xid_severity(*telemetry.last_xid));
}

std::vector<AlertEvaluator::Measure> AlertEvaluator::measures(const Reading& reading,
                                                              const AlertOptions& options,
                                                              base::Clock::TimePoint now) {
  std::vector<Measure> found;
  const bool lost = !reading.memory || !reading.answers;
  found.push_back({kDevice, lost ? 1.0 : 0.0, {2, 1}, 0});
  if (lost) return found;  // what it said last means nothing now
  if (const auto percent = reading.memory_percent()) {
    const bool host = reading.device.kind == base::DeviceKind::kCpu || reading.memory->shared_with_host;
    found.push_back({kMemory, *percent, host ? options.host_memory_percent : options.device_memory_percent,
                     options.memory_hysteresis_percent});
  }
  if (reading.telemetry.xid_errors) {
    found.push_back({kError, error_level(reading.telemetry, options, now), {1, 2}, 0});
  }
  if (const auto headroom = reading.telemetry.thermal_headroom_celsius) {
    const Threshold& threshold = options.thermal_headroom_celsius;
    found.push_back({kThermal,
                     -static_cast<double>(*headroom),
                     {-threshold.warning, -threshold.critical},
                     options.thermal_hysteresis_celsius});
  }
  return found;
}

bool AlertEvaluator::is_due(const State& state, base::Clock::TimePoint now) const {
  if (state.level < state.told) return true;
  const auto before = state.told_at.find(state.level);
  const bool never = before == state.told_at.end();
  if (state.level > state.told) return never || now - before->second >= options_.cooldown;
  return state.level != AlertLevel::kNone && !never && now - before->second >= options_.repeat_after;
}

std::vector<MemoryAlert> AlertEvaluator::evaluate(const Sample& sample) {
  std::vector<MemoryAlert> alerts;
  for (const Reading& reading : sample.readings) {
    const std::string device = base::to_string(reading.device);
    for (const Measure& measure : measures(reading, options_, sample.at)) {
      State& state = states_[{device, measure.rule}];
      state.level = next_level(state.level, measure.value, measure.threshold, measure.hysteresis);
      if (!is_due(state, sample.at)) continue;
      // What is over is measured by the threshold that it was above.
      const AlertLevel crossed = state.level == AlertLevel::kNone ? state.told : state.level;
      const double threshold =
          crossed == AlertLevel::kCritical ? measure.threshold.critical : measure.threshold.warning;
      const double sign = measure.rule == kThermal ? -1 : 1;
      alerts.push_back({sample.time, type_of(state.level), measure.rule, device,
                        describe(reading, measure.rule, state.level, sign * threshold), sign * measure.value,
                        sign * threshold});
      state.told = state.level;
      state.told_at[state.level] = sample.at;
    }
  }
  return alerts;
}

std::map<std::pair<std::string, std::string>, AlertLevel> AlertEvaluator::firing() const {
  std::map<std::pair<std::string, std::string>, AlertLevel> levels;
  for (const auto& [key, state] : states_) {
    if (state.level != AlertLevel::kNone) levels[key] = state.level;
  }
  return levels;
}

}  // namespace greenroom::monitor
