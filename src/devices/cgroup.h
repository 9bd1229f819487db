// The control groups this process is in, whose limits bind it: cgroup v2, and v1 where that is what runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace greenroom::devices {

// A limit that one group sets, and how much of it is used.
struct MemoryLimit {
  std::uint64_t limit = 0;
  std::uint64_t used = 0;  // without the page cache that the kernel drops before it refuses
};

// Of the process's group and every group above it. `root` is where /proc and /sys are.
std::vector<MemoryLimit> cgroup_memory_limits(const std::filesystem::path& root);

// How many CPUs' worth of time the tightest group grants; nullopt without a limit.
std::optional<double> cgroup_cpu_limit(const std::filesystem::path& root);

// CPU time that the process's own group has used; nullopt when the kernel does not count it.
std::optional<std::uint64_t> cgroup_cpu_usage_us(const std::filesystem::path& root);

}  // namespace greenroom::devices
