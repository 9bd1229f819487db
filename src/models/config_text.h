// The text of a configuration file that lies beside a model.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace greenroom::models {

// `needed_by` says who needs it, for the message when it is missing; may be empty. Throws base::Error:
// kNotFound, kDataLoss (larger than 1 MiB), kUnavailable (cannot be read).
std::string read_config_text(const std::filesystem::path& path, std::string_view needed_by = "");

}  // namespace greenroom::models
