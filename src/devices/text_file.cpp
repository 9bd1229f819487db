#include "devices/text_file.h"

#include <charconv>
#include <fstream>

#include "base/bytes.h"

namespace greenroom::devices {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

std::optional<std::string> read_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<std::uint64_t> read_number(const std::filesystem::path& path) {
  const auto line = read_line(path);
  return line ? parse_number(*line) : std::nullopt;
}

std::optional<std::string> find_line(const std::filesystem::path& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return line.substr(key.size());
  }
  return std::nullopt;
}

std::optional<std::uint64_t> read_field(const std::filesystem::path& path, std::string_view key,
                                        std::uint64_t unit) {
  const auto rest = find_line(path, key);
  const auto value = rest ? parse_number(*rest) : std::nullopt;
  return value ? base::checked_mul(*value, unit) : std::nullopt;
}

}  // namespace greenroom::devices
