// What a device of this machine is and what it reports now.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/device_id.h"

namespace greenroom::devices {

// In bytes. `free` is what the system says is free at this moment: a hint, never a grant.
struct DeviceMemory {
  std::uint64_t total = 0;
  std::uint64_t free = 0;
  std::uint64_t reserved = 0;  // by the driver for itself; part of used()
  // A GPU without memory of its own: `total` and `free` are the host's, and this is what programs hold
  // through the GPU (absent when the driver does not tell).
  bool shared_with_host = false;
  std::optional<std::uint64_t> gpu_used;

  std::uint64_t used() const { return free < total ? total - free : 0; }
};

struct PcieThroughput {
  std::uint64_t sent_bytes_per_second = 0;      // by the device
  std::uint64_t received_bytes_per_second = 0;  // by the device
};

// A reading the device does not offer is absent, never a made-up number.
struct Telemetry {
  std::optional<int> utilisation_percent;         // time with work to do; of a CPU: of the cores we may use
  std::optional<int> memory_utilisation_percent;  // time its memory was being read or written
  std::optional<int> temperature_celsius;
  std::optional<int> memory_temperature_celsius;
  std::optional<int> thermal_headroom_celsius;  // until the device slows itself down
  std::optional<int> fan_percent;               // may exceed 100
  std::optional<double> power_watts;
  std::optional<double> power_limit_watts;
  std::optional<double> energy_joules;  // since the driver was loaded
  std::optional<int> clock_mhz;         // of its processors
  std::optional<int> memory_clock_mhz;
  std::optional<std::uint64_t> throttle_reasons;  // bits, see throttle_reason_names()
  std::optional<int> pcie_generation;
  std::optional<int> pcie_lanes;
  std::optional<PcieThroughput> pcie_throughput;  // not of Device::telemetry(): see Device::pcie_throughput()
  std::optional<std::uint64_t> ecc_corrected;     // memory errors since the driver was loaded
  std::optional<std::uint64_t> ecc_uncorrected;
  std::optional<std::uint64_t> xid_errors;  // that the driver reported since this process watches, see xid.h
  std::optional<int> last_xid;              // the number of the last one
  base::Clock::TimePoint last_xid_at{};     // and when this process heard of it
  std::optional<double> cores;              // of a CPU: how many this process may keep busy
};

// Stable lower-case names ("power_cap", "hardware_thermal"); idling is not one.
std::vector<std::string_view> throttle_reason_names(std::uint64_t reasons);

// One program that holds memory of a device.
struct ProcessUse {
  std::uint64_t pid = 0;                   // in a container: perhaps of the machine outside it
  std::string name;                        // empty when this process may not know it
  std::optional<std::uint64_t> bytes;      // absent when the driver does not tell (WSL)
  bool ours = false;                       // this process or a child of it
  std::optional<int> utilisation_percent;  // of the device's processors, lately; absent when not told
};

// Thread-safe. Every reading may take as long as the driver pleases; none is made under a lock that other
// readings need.
class Device {
 public:
  virtual ~Device() = default;
  virtual base::DeviceId id() const = 0;
  virtual std::string name() const = 0;
  virtual std::string uuid() const { return ""; }    // empty when the device has none
  virtual std::string bus_id() const { return ""; }  // "00000000:65:00.0"; empty when it is on no bus
  // Each throws base::Error(kUnavailable) when the device cannot be read (any more).
  virtual DeviceMemory memory() const = 0;
  virtual Telemetry telemetry() const { return {}; }
  virtual std::vector<ProcessUse> processes() const { return {}; }
  // Takes the driver some 40 ms, so it is apart from the rest; nullopt when it does not tell.
  virtual std::optional<PcieThroughput> pcie_throughput() const { return std::nullopt; }
};

}  // namespace greenroom::devices
