#include "app/monitoring_settings.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>

namespace greenroom::app {
namespace {

using Settings = MonitoringSettings;

constexpr MonitoringNumber kNumbers[] = {
    {"memory_monitoring_interval", &Settings::interval_seconds, 0.1, 3600},
    {"memory_monitoring_patience", &Settings::patience_seconds, 1, 3600},
    {"alert_warning_percent", &Settings::warning_percent, 1, 100},
    {"alert_critical_percent", &Settings::critical_percent, 1, 100},
    {"alert_host_warning_percent", &Settings::host_warning_percent, 1, 100},
    {"alert_host_critical_percent", &Settings::host_critical_percent, 1, 100},
    {"alert_hysteresis_percent", &Settings::hysteresis_percent, 0, 50},
    {"alert_cooldown_seconds", &Settings::cooldown_seconds, 0, 86400},
};

constexpr MonitoringSwitch kSwitches[] = {
    {"memory_monitoring_enabled", &Settings::enabled},
    {"memory_history_kept", &Settings::keep_history},
};

template <typename Entry, std::size_t size>
const Entry* find(const Entry (&entries)[size], std::string_view key) {
  const auto* found = std::find_if(std::begin(entries), std::end(entries),
                                   [&](const Entry& entry) { return entry.key == key; });
  return found == std::end(entries) ? nullptr : found;
}

}  // namespace

const MonitoringNumber* find_monitoring_number(std::string_view key) {
  return find(kNumbers, key);
}

const MonitoringSwitch* find_monitoring_switch(std::string_view key) {
  return find(kSwitches, key);
}

bool is_monitoring_setting(std::string_view key) {
  return find_monitoring_number(key) != nullptr || find_monitoring_switch(key) != nullptr ||
         key == kWebhookKey;
}

std::string find_contradiction(const MonitoringSettings& settings) {
  const auto above = [](const char* name, double warning, double critical) {
    return warning <= critical ? ""
                               : fmt::format(
                                     "gpu.alert_{0}warning_percent is {1}, above "
                                     "gpu.alert_{0}critical_percent {2}; it must not be",
                                     name, warning, critical);
  };
  const auto device = above("", settings.warning_percent, settings.critical_percent);
  return device.empty() ? above("host_", settings.host_warning_percent, settings.host_critical_percent)
                        : device;
}

}  // namespace greenroom::app
