// The host: main memory, as far as this process may use it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "devices/device.h"

namespace greenroom::devices {

// Of several limits the one that binds is reported: the machine's memory (/proc/meminfo), the limit of the
// control group the process is in or of a group above it (cgroup v2 and v1), and the budget. Immutable;
// thread-safe.
class CpuDevice final : public Device {
 public:
  struct Options {
    std::optional<std::uint64_t> budget_bytes;  // this process's own limit, counted against its resident set
    std::filesystem::path root = "/";           // where /proc and /sys are; tests put files elsewhere
  };

  CpuDevice() : CpuDevice(Options()) {}
  explicit CpuDevice(Options options) : options_(std::move(options)) {}

  base::DeviceId id() const override { return {base::DeviceKind::kCpu, 0}; }
  std::string name() const override;  // "AMD EPYC 7763"; "CPU" when the system does not tell
  DeviceMemory memory() const override;

 private:
  Options options_;
};

}  // namespace greenroom::devices
