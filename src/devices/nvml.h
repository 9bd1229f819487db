// NVIDIA's management library, opened at run time: a small function table and nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "devices/device.h"

namespace greenroom::devices {

// Thread-safe (NVML is).
class Nvml {
 public:
  // Null when the machine has no NVIDIA driver: a normal answer. `reason`, when given, then says why.
  static std::shared_ptr<const Nvml> open(const std::string& library = "libnvidia-ml.so.1",
                                          std::string* reason = nullptr);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  unsigned device_count() const;
  std::string driver_version() const;  // "550.54.15"; empty when NVML does not tell

  // One GPU of the count above, in NVML's (PCI bus) order; valid while the Nvml lives.
  using Handle = void*;
  std::optional<Handle> device(unsigned index) const;

  std::string name(Handle device) const;
  std::string uuid(Handle device) const;                    // "GPU-..."
  std::optional<DeviceMemory> memory(Handle device) const;  // free as the driver counts it
  std::optional<int> utilisation_percent(Handle device) const;
  std::optional<int> temperature_celsius(Handle device) const;

 private:
  struct Table;
  explicit Nvml(std::unique_ptr<const Table> table);

  std::unique_ptr<const Table> table_;
};

}  // namespace greenroom::devices
