// Log lines. Nobody else writes to stderr.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <string>
#include <string_view>

namespace greenroom::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Reads "DEBUG", "info", "WARNING" and so on; false (and no change) for anything else. Default: warning.
bool set_log_level(std::string_view name);

// Thread-safe. `part` is the folder that speaks ("core", "server").
void log(LogLevel level, std::string_view part, std::string_view message);

}  // namespace greenroom::base
