// One NVIDIA GPU, or one MIG instance of it, read through NVML.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "devices/device.h"
#include "devices/nvml.h"

namespace greenroom::devices {

// Immutable; thread-safe.
class CudaDevice final : public Device {
 public:
  struct Identity {
    int index = 0;  // CUDA's number
    std::string uuid;
    std::string name;
    std::string bus_id;
  };

  // `root` is where /proc and /sys are: processes have their names from there, and a GPU without memory of
  // its own shares the host's.
  CudaDevice(std::shared_ptr<const Nvml> nvml, Identity identity, std::filesystem::path root = "/");

  base::DeviceId id() const override { return {base::DeviceKind::kCuda, identity_.index}; }
  std::string name() const override { return identity_.name; }
  std::string uuid() const override { return identity_.uuid; }
  std::string bus_id() const override { return identity_.bus_id; }
  DeviceMemory memory() const override;
  Telemetry telemetry() const override;
  std::vector<ProcessUse> processes() const override;
  std::optional<PcieThroughput> pcie_throughput() const override;

 private:
  std::shared_ptr<const Nvml> nvml_;
  Identity identity_;
  std::filesystem::path root_;
};

}  // namespace greenroom::devices
