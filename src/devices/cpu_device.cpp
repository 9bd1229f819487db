#include "devices/cpu_device.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace greenroom::devices {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> parse_number(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

// The first line; nullopt when there is no such file.
std::optional<std::string> read_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<std::uint64_t> read_number(const fs::path& path) {
  const auto line = read_line(path);
  return line ? parse_number(*line) : std::nullopt;  // "max" is no number: no limit
}

// The rest of the first line that starts with `key`.
std::optional<std::string> find_line(const fs::path& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return line.substr(key.size());
  }
  return std::nullopt;
}

std::optional<std::uint64_t> read_field(const fs::path& path, std::string_view key, std::uint64_t unit) {
  const auto rest = find_line(path, key);
  const auto value = rest ? parse_number(*rest) : std::nullopt;
  return value ? base::checked_mul(*value, unit) : std::nullopt;
}

// Narrows `memory` to what one limit leaves.
void apply_limit(DeviceMemory& memory, std::uint64_t limit, std::uint64_t used) {
  memory.total = std::min(memory.total, limit);
  memory.free = std::min(memory.free, limit > used ? limit - used : 0);
}

// Files of one control group hierarchy.
struct CgroupFiles {
  const char* limit;
  const char* usage;
  const char* reclaimable;  // of memory.stat: page cache the kernel drops before it refuses
};
constexpr CgroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file "};
constexpr CgroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "};

// A limit of any group above binds too. Inside a container the path in /proc/self/cgroup may not exist under
// the mount; then the mount's own root is this process's group.
void apply_cgroup(DeviceMemory& memory, const fs::path& mount, const std::string& group,
                  const CgroupFiles& files) {
  std::vector<fs::path> folders;
  fs::path folder = mount;
  folders.push_back(folder);
  for (const fs::path& part : fs::path(group).relative_path()) {
    folder /= part;
    folders.push_back(folder);
  }
  for (const fs::path& path : folders) {
    const auto limit = read_number(path / files.limit);
    if (!limit) continue;
    const std::uint64_t usage = read_number(path / files.usage).value_or(0);
    const std::uint64_t cache = read_field(path / "memory.stat", files.reclaimable, 1).value_or(0);
    apply_limit(memory, *limit, usage > cache ? usage - cache : 0);
  }
}

// Lines of /proc/self/cgroup: "0::/path" for version 2, "4:memory:/path" for version 1 (controllers
// comma-separated).
void apply_cgroups(DeviceMemory& memory, const fs::path& root) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      apply_cgroup(memory, root / "sys/fs/cgroup", group, kVersion2);
    } else if (controllers.find(",memory,") != std::string::npos) {
      apply_cgroup(memory, root / "sys/fs/cgroup/memory", group, kVersion1);
    }
  }
}

std::uint64_t resident_set_bytes(const fs::path& root) {
  return read_field(root / "proc/self/status", "VmRSS:", 1024).value_or(0);
}

}  // namespace

std::string CpuDevice::name() const {
  const auto rest = find_line(options_.root / "proc/cpuinfo", "model name");
  if (!rest) return "CPU";
  const auto start = rest->find_first_not_of(" \t:");
  return start == std::string::npos ? "CPU" : rest->substr(start);
}

DeviceMemory CpuDevice::memory() const {
  const fs::path meminfo = options_.root / "proc/meminfo";
  const auto total = read_field(meminfo, "MemTotal:", 1024);
  auto available = read_field(meminfo, "MemAvailable:", 1024);
  if (!available) available = read_field(meminfo, "MemFree:", 1024);  // kernels before 3.14
  if (!total || !available) {
    throw base::Error(base::ErrorCode::kUnavailable,
                      "cpu: " + meminfo.string() + " does not tell the memory");
  }
  DeviceMemory memory{*total, std::min(*available, *total)};
  apply_cgroups(memory, options_.root);
  if (options_.budget_bytes) apply_limit(memory, *options_.budget_bytes, resident_set_bytes(options_.root));
  return memory;
}

}  // namespace greenroom::devices
