// Reading the small text files of /proc and /sys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace greenroom::devices {

// A number at the beginning, after blanks; what follows it is not looked at.
std::optional<std::uint64_t> parse_number(std::string_view text);

// The first line; nullopt when there is no such file.
std::optional<std::string> read_line(const std::filesystem::path& path);

// The number in the first line; nullopt when there is none ("max").
std::optional<std::uint64_t> read_number(const std::filesystem::path& path);

// The rest of the first line that starts with `key`.
std::optional<std::string> find_line(const std::filesystem::path& path, std::string_view key);

// The number in that rest, times `unit`; nullopt when it is none or too large.
std::optional<std::uint64_t> read_field(const std::filesystem::path& path, std::string_view key,
                                        std::uint64_t unit);

}  // namespace greenroom::devices
