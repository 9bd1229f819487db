#include "app/settings.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace greenroom::app {
namespace {

using base::Json;
using Type = Setting::Type;

// Where a value is in a Config; `part` is a member of Config, `field` one of its own.
template <typename Part, typename Value>
void bind(Setting& setting, Part Config::*part, Value Part::*field) {
  setting.get = [=](const Config& config) { return Json(config.*part.*field); };
  setting.put = [=](Config& config, const Json& value) { config.*part.*field = value.get<Value>(); };
}

template <typename Value>
void bind(Setting& setting, Value Config::*field) {
  setting.get = [=](const Config& config) { return Json(config.*field); };
  setting.put = [=](Config& config, const Json& value) { config.*field = value.get<Value>(); };
}

struct Range {
  double low, high;
};

Setting make(const char* name, Type type, Range range, const char* unit, const char* description, bool live) {
  Setting setting;
  setting.name = name;
  setting.type = type;
  setting.low = range.low;
  setting.high = range.high;
  setting.unit = unit;
  setting.description = description;
  setting.live = live;
  return setting;
}

Setting policy() {
  auto setting =
      make("gpu.eviction_policy", Type::kChoice, {}, "",
           "Who goes first when room is needed: what is cheap to bring back and rarely used (cost), "
           "or what was used longest ago (lru)",
           true);
  setting.choices = {"cost", "lru"};
  setting.get = [](const Config& config) { return Json(core::eviction_policy_name(config.eviction_policy)); };
  setting.put = [](Config& config, const Json& value) {
    config.eviction_policy = *core::parse_eviction_policy(value.get<std::string>());
  };
  return setting;
}

void add_clean_up(std::vector<Setting>& list) {
  list.push_back(make("gpu.auto_cleanup_enabled", Type::kSwitch, {}, "",
                      "Free what is idle by itself: after its time, and when a device fills up", true));
  bind(list.back(), &Config::gpu, &GpuSettings::auto_cleanup_enabled);
  list.push_back(make("gpu.cleanup_threshold_percent", Type::kNumber, {1, 100}, "%",
                      "Fuller than this, a device's idle components go at once", true));
  bind(list.back(), &Config::gpu, &GpuSettings::cleanup_threshold_percent);
  list.push_back(make("gpu.idle_timeout_minutes", Type::kNumber, {0, 525'600}, "minutes",
                      "A model that nobody holds goes after so much time without use", true));
  bind(list.back(), &Config::gpu, &GpuSettings::idle_timeout_minutes);
  list.push_back(policy());
  list.push_back(make("gpu.max_memory_usage_percent", Type::kNumber, {1, 100}, "%",
                      "How much of a device may be used, weights and workspace together", false));
  bind(list.back(), &Config::max_memory_usage_percent);
  list.push_back(make("gpu.min_residence_seconds", Type::kWholeNumber, {0, 86'400}, "seconds",
                      "What was loaded less than this ago is evicted only when nothing else does", false));
  bind(list.back(), &Config::min_residence_seconds);
}

void add_queue(std::vector<Setting>& list) {
  list.push_back(make("gpu.max_waiting_requests", Type::kWholeNumber, {0, 100'000}, "requests",
                      "So many may wait for a device; more are told that it is busy", false));
  bind(list.back(), &Config::queue, &core::QueueOptions::capacity);
  list.push_back(make("gpu.concurrent_requests", Type::kWholeNumber, {1, 64}, "requests",
                      "So many run on a device at once", false));
  bind(list.back(), &Config::queue, &core::QueueOptions::concurrency);
}

void add_monitoring(std::vector<Setting>& list) {
  struct Entry {
    const char* key;
    const char* unit;
    const char* description;
    bool live;
  };
  constexpr Entry kEntries[] = {
      {"memory_monitoring_interval", "seconds", "Time between two samples of the devices", false},
      {"alert_warning_percent", "%", "Fuller than this, a GPU's memory is worth a warning", true},
      {"alert_critical_percent", "%", "Fuller than this, a GPU's memory is critical", true},
      {"alert_host_warning_percent", "%", "Fuller than this, the machine's memory is worth a warning", true},
      {"alert_host_critical_percent", "%", "Fuller than this, the machine's memory is critical", true},
      {"alert_hysteresis_percent", "%", "An alert ends so far below its threshold", true},
      {"alert_cooldown_seconds", "seconds", "The same alert does not begin again sooner", true},
  };
  for (const auto& entry : kEntries) {
    const auto* number = find_monitoring_number(entry.key);
    list.push_back(make(("gpu." + std::string(entry.key)).c_str(), Type::kNumber, {number->low, number->high},
                        entry.unit, entry.description, entry.live));
    bind(list.back(), &Config::monitoring, number->field);
  }
}

}  // namespace

std::string_view setting_type_name(Type type) {
  switch (type) {
    case Type::kSwitch:
      return "switch";
    case Type::kNumber:
      return "number";
    case Type::kWholeNumber:
      return "whole_number";
    case Type::kChoice:
      return "choice";
  }
  return "";
}

void Setting::check(const Json& value) const {
  std::string expected;
  bool fits = false;
  if (type == Type::kSwitch) {
    expected = "true or false";
    fits = value.is_boolean();
  } else if (type == Type::kChoice) {
    expected = fmt::format("{}", fmt::join(choices, " or "));
    fits = value.is_string() &&
           std::find(choices.begin(), choices.end(), value.get<std::string>()) != choices.end();
  } else {
    const bool whole = type == Type::kWholeNumber;
    expected = fmt::format("a {}number from {} to {}", whole ? "whole " : "", low, high);
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    fits = number >= low && number <= high && (!whole || number == std::floor(number));
  }
  if (fits) return;
  throw base::Error(
      base::ErrorCode::kInvalidArgument,
      fmt::format("{} is {}; it must be {}", name,
                  value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 100), expected));
}

const std::vector<Setting>& all_settings() {
  static const std::vector<Setting> settings = [] {
    std::vector<Setting> list;
    add_clean_up(list);
    add_queue(list);
    add_monitoring(list);
    return list;
  }();
  return settings;
}

const Setting* find_setting(std::string_view name) {
  const auto& all = all_settings();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Setting& setting) { return setting.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string to_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Json from_text(const Setting& setting, const std::string& text) {
  Json value = text;
  if (setting.type == Type::kSwitch) {
    if (text == "true" || text == "yes" || text == "on") value = true;
    if (text == "false" || text == "no" || text == "off") value = false;
  } else if (setting.type != Type::kChoice) {
    const Json number = Json::parse(text, nullptr, false);
    if (number.is_number()) value = number;
  }
  setting.check(value);
  return value;
}

}  // namespace greenroom::app
