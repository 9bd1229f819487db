#include "cli/output_file.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cctype>
#include <string>

#include "base/error.h"

namespace greenroom::cli {

using base::Error;
using base::ErrorCode;

void check_output(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (extension != ".wav" && extension != ".flac") {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: the output's name must end in .wav or .flac", path.string()));
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: is a folder; name a file", path.string()));
  }
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  if (!std::filesystem::is_directory(folder, ignored)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: the folder {} does not exist", path.string(), folder.string()));
  }
  if (::access(folder.c_str(), W_OK) != 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: the folder {} is not writable", path.string(), folder.string()));
  }
}

}  // namespace greenroom::cli
