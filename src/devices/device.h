// What a device of this machine is and what it reports now.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/device_id.h"

namespace greenroom::devices {

// In bytes. `free` is what the system says is free at this moment: a hint, never a grant.
struct DeviceMemory {
  std::uint64_t total = 0;
  std::uint64_t free = 0;

  std::uint64_t used() const { return free < total ? total - free : 0; }
};

// A reading the device does not offer is absent, never a made-up number.
struct Telemetry {
  std::optional<int> utilisation_percent;
  std::optional<int> temperature_celsius;
};

// Thread-safe.
class Device {
 public:
  virtual ~Device() = default;
  virtual base::DeviceId id() const = 0;
  virtual std::string name() const = 0;
  virtual std::string uuid() const { return ""; }  // empty when the device has none
  // Throws base::Error(kUnavailable) when the device cannot be read (any more).
  virtual DeviceMemory memory() const = 0;
  virtual Telemetry telemetry() const { return {}; }
};

}  // namespace greenroom::devices
