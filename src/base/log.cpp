#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cctype>

namespace greenroom::base {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    // The models library carries its own copy of this layer, the registry behind it is shared.
    if (auto existing = spdlog::get("greenroom")) return existing;
    auto created = spdlog::stderr_color_mt("greenroom");
    created->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
    created->set_level(spdlog::level::warn);
    return created;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

bool set_log_level(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "debug") {
    logger().set_level(spdlog::level::debug);
  } else if (lower == "info") {
    logger().set_level(spdlog::level::info);
  } else if (lower == "warning" || lower == "warn") {
    logger().set_level(spdlog::level::warn);
  } else if (lower == "error") {
    logger().set_level(spdlog::level::err);
  } else {
    return false;
  }
  return true;
}

void log(LogLevel level, std::string_view part, std::string_view message) {
  logger().log(to_spdlog(level), "{}: {}", part, message);
}

}  // namespace greenroom::base
