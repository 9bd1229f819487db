#include "models/config_text.h"

#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <sstream>
#include <system_error>

#include "base/error.h"

namespace greenroom::models {

using base::Error;
using base::ErrorCode;

std::string read_config_text(const std::filesystem::path& path, std::string_view needed_by) {
  constexpr std::uintmax_t kMaxConfigBytes = 1 << 20;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: no such file{}{}", path.string(), needed_by.empty() ? "" : "; ", needed_by));
  }
  if (std::filesystem::file_size(path, ignored) > kMaxConfigBytes) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: larger than 1 MiB, that is no configuration file", path.string()));
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw Error(ErrorCode::kUnavailable, fmt::format("{}: cannot be read", path.string()));
  return text.str();
}

}  // namespace greenroom::models
