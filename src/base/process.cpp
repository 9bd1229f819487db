#include "base/process.h"

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace greenroom::base {

// proc(5): "pid (name) state ppid ...", the start time being field 22. The name may contain anything, so the
// fields are counted from the last parenthesis.
std::optional<std::uint64_t> process_start(int pid) {
  constexpr int kFieldsBetween = 18;  // after the state, before the start time
  if (pid <= 0) return std::nullopt;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  char state = 0;
  fields >> state;
  if (state == 'Z' || state == 'X') return std::nullopt;
  std::string skipped;
  for (int i = 0; i < kFieldsBetween; ++i) fields >> skipped;
  std::uint64_t start = 0;
  if (!(fields >> start)) return std::nullopt;
  return start;
}

std::uint64_t anonymous_bytes(int pid) {
  constexpr std::string_view kKey = "RssAnon:";
  constexpr std::uint64_t kKilobyte = 1024;
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kKey)) return std::stoull(line.substr(kKey.size())) * kKilobyte;
  }
  return 0;
}

}  // namespace greenroom::base
