#include "devices/cgroup.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "devices/text_file.h"

namespace greenroom::devices {
namespace {

namespace fs = std::filesystem;

// Where one controller of this process's groups is, from the mount down. A group above binds too. Inside a
// container the path in /proc/self/cgroup may not exist under the mount; then the mount's own root is this
// process's group.
struct Groups {
  bool version_2 = false;
  std::vector<fs::path> folders;
};

std::vector<fs::path> folders_of(const fs::path& mount, const std::string& group) {
  std::vector<fs::path> folders = {mount};
  fs::path folder = mount;
  for (const fs::path& part : fs::path(group).relative_path()) {
    folder /= part;
    folders.push_back(folder);
  }
  return folders;
}

// Lines of /proc/self/cgroup: "0::/path" for version 2, "4:memory:/path" for version 1 (controllers
// comma-separated). Both may be there.
std::vector<Groups> find_groups(const fs::path& root, const std::string& controller) {
  std::vector<Groups> found;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      found.push_back({true, folders_of(root / "sys/fs/cgroup", group)});
    } else if (controllers.find("," + controller + ",") != std::string::npos) {
      found.push_back({false, folders_of(root / "sys/fs/cgroup" / controller, group)});
    }
  }
  return found;
}

// Files of one hierarchy.
struct MemoryFiles {
  const char* limit;
  const char* usage;
  const char* reclaimable;  // of memory.stat
};
constexpr MemoryFiles kVersion2 = {"memory.max", "memory.current", "inactive_file "};
constexpr MemoryFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "};

std::optional<double> cpu_limit_of(const fs::path& folder, bool version_2) {
  std::optional<std::uint64_t> quota, period;
  if (version_2) {
    std::istringstream line(read_line(folder / "cpu.max").value_or(""));
    std::string first, second;
    line >> first >> second;
    quota = parse_number(first);  // "max": none
    period = parse_number(second);
  } else {
    quota = read_number(folder / "cpu.cfs_quota_us");  // "-1": none
    period = read_number(folder / "cpu.cfs_period_us");
  }
  if (!quota || !period || *period == 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

}  // namespace

std::vector<MemoryLimit> cgroup_memory_limits(const fs::path& root) {
  std::vector<MemoryLimit> limits;
  for (const auto& groups : find_groups(root, "memory")) {
    const MemoryFiles& files = groups.version_2 ? kVersion2 : kVersion1;
    for (const auto& folder : groups.folders) {
      const auto limit = read_number(folder / files.limit);
      if (!limit) continue;
      const std::uint64_t usage = read_number(folder / files.usage).value_or(0);
      const std::uint64_t cache = read_field(folder / "memory.stat", files.reclaimable, 1).value_or(0);
      limits.push_back({*limit, usage > cache ? usage - cache : 0});
    }
  }
  return limits;
}

std::optional<double> cgroup_cpu_limit(const fs::path& root) {
  std::optional<double> tightest;
  for (const auto& groups : find_groups(root, "cpu")) {
    for (const auto& folder : groups.folders) {
      const auto limit = cpu_limit_of(folder, groups.version_2);
      if (limit && (!tightest || *limit < *tightest)) tightest = limit;
    }
  }
  return tightest;
}

std::optional<std::uint64_t> cgroup_cpu_usage_us(const fs::path& root) {
  constexpr std::uint64_t kNanosecondsPerMicrosecond = 1000;
  for (const auto& groups : find_groups(root, "cpuacct")) {
    for (auto folder = groups.folders.rbegin(); folder != groups.folders.rend(); ++folder) {
      if (groups.version_2) {
        if (const auto usage = read_field(*folder / "cpu.stat", "usage_usec ", 1)) return usage;
      } else if (const auto usage = read_number(*folder / "cpuacct.usage")) {
        return *usage / kNanosecondsPerMicrosecond;
      }
    }
  }
  return std::nullopt;
}

}  // namespace greenroom::devices
