#include "app/gpu_settings.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace greenroom::app {
namespace {

constexpr double kMinutesOfAYear = 525'600;

struct Number {
  std::string_view name;
  double GpuSettings::*member;
  double low;
  double high;
};
constexpr std::array<Number, 2> kNumbers = {{
    {"cleanup_threshold_percent", &GpuSettings::cleanup_threshold_percent, 1, 100},
    {"idle_timeout_minutes", &GpuSettings::idle_timeout_minutes, 0, kMinutesOfAYear},
}};

struct Switch {
  std::string_view name;
  bool GpuSettings::*member;
};
constexpr std::array<Switch, 1> kSwitches = {{{"auto_cleanup_enabled", &GpuSettings::auto_cleanup_enabled}}};

[[noreturn]] void wrong(const std::string& label, const std::string& text, const std::string& expected) {
  throw base::Error(base::ErrorCode::kInvalidArgument,
                    fmt::format("{} is \"{}\"; it must be {}", label, text, expected));
}

double parse_number(const Number& number, const std::string& text, const std::string& label) {
  double value = 0;
  const auto* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || !std::isfinite(value) || value < number.low ||
      value > number.high) {
    wrong(label, text, fmt::format("a number from {} to {}", number.low, number.high));
  }
  return value;
}

bool parse_switch(const std::string& text, const std::string& label) {
  if (text == "true" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "no" || text == "off") return false;
  wrong(label, text, "true or false");
}

}  // namespace

std::vector<std::string> gpu_setting_names() {
  std::vector<std::string> names;
  names.reserve(kSwitches.size() + kNumbers.size());
  for (const auto& one : kSwitches) names.emplace_back(one.name);
  for (const auto& number : kNumbers) names.emplace_back(number.name);
  return names;
}

bool set_gpu_setting(GpuSettings& settings, std::string_view name, const std::string& text,
                     const std::string& label) {
  for (const auto& one : kSwitches) {
    if (one.name != name) continue;
    settings.*one.member = parse_switch(text, label);
    return true;
  }
  for (const auto& number : kNumbers) {
    if (number.name != name) continue;
    settings.*number.member = parse_number(number, text, label);
    return true;
  }
  return false;
}

std::optional<std::string> gpu_setting(const GpuSettings& settings, std::string_view name) {
  for (const auto& one : kSwitches) {
    if (one.name == name) return settings.*one.member ? "true" : "false";
  }
  for (const auto& number : kNumbers) {
    if (number.name == name) return fmt::format("{}", settings.*number.member);
  }
  return std::nullopt;
}

}  // namespace greenroom::app
