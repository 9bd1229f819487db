// The host: main memory and processors, as far as this process may use them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "devices/device.h"

namespace greenroom::devices {

// Of several limits the one that binds is reported: the machine's memory (/proc/meminfo), the limit of the
// control group the process is in or of a group above it (cgroup v2 and v1), and the budget. The same of the
// processors: the machine's, those the process may run on, and the groups' quota. Thread-safe.
class CpuDevice final : public Device {
 public:
  struct Options {
    std::optional<std::uint64_t> budget_bytes;  // this process's own limit, counted against its resident set
    std::filesystem::path root = "/";           // where /proc and /sys are; tests put files elsewhere
    const base::Clock* clock = nullptr;         // borrowed; the system's when absent
  };

  CpuDevice() : CpuDevice(Options()) {}
  explicit CpuDevice(Options options);

  base::DeviceId id() const override { return {base::DeviceKind::kCpu, 0}; }
  std::string name() const override;  // "AMD EPYC 7763"; "CPU" when the system does not tell
  DeviceMemory memory() const override;
  // The utilisation is of the time since the call before; absent in the first.
  Telemetry telemetry() const override EXCLUDES_LOCK(mutex_);

 private:
  // Processor time used so far, and what would have been possible, in any one unit.
  struct Times {
    double busy = 0;
    double possible = 0;
  };
  std::optional<Times> read_times(std::optional<double> quota, double cores) const;

  const Options options_;
  mutable base::Mutex mutex_;
  mutable std::optional<Times> before_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::devices
