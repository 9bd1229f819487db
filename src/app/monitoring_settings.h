// How the devices are watched: the settings of `gpu` in the configuration that are about that.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace greenroom::app {

struct MonitoringSettings {
  bool enabled = true;                // memory_monitoring_enabled: a daemon watches from its start
  bool keep_history = true;           // memory_history_kept: in the cache folder, when there is one
  double interval_seconds = 2;        // memory_monitoring_interval
  double patience_seconds = 10;       // memory_monitoring_patience: then a driver is said not to answer
  double warning_percent = 80;        // alert_warning_percent, of a GPU's memory
  double critical_percent = 90;       // alert_critical_percent
  double host_warning_percent = 85;   // alert_host_warning_percent
  double host_critical_percent = 95;  // alert_host_critical_percent
  double hysteresis_percent = 5;      // alert_hysteresis_percent
  double cooldown_seconds = 30;       // alert_cooldown_seconds
  std::string webhook_url;            // alert_webhook_url; empty: none
};

// A number among the settings, by its key in the section `gpu`, and what it may be.
struct MonitoringNumber {
  std::string_view key;
  double MonitoringSettings::*field;
  double low, high;
};
// The same of those that are true or false.
struct MonitoringSwitch {
  std::string_view key;
  bool MonitoringSettings::*field;
};

// Null when `key` ("memory_monitoring_interval") is not one of them.
const MonitoringNumber* find_monitoring_number(std::string_view key);
const MonitoringSwitch* find_monitoring_switch(std::string_view key);
inline constexpr std::string_view kWebhookKey = "alert_webhook_url";
bool is_monitoring_setting(std::string_view key);

// What is wrong with them together; empty when nothing is.
std::string find_contradiction(const MonitoringSettings& settings);

}  // namespace greenroom::app
