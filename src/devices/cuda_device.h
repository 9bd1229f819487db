// One NVIDIA GPU, read through NVML.
#pragma once

#include <memory>
#include <string>

#include "devices/device.h"
#include "devices/nvml.h"

namespace greenroom::devices {

// Immutable; thread-safe.
class CudaDevice final : public Device {
 public:
  // `index` is CUDA's number for the GPU that NVML knows by `handle`.
  CudaDevice(std::shared_ptr<const Nvml> nvml, Nvml::Handle handle, int index);

  base::DeviceId id() const override { return {base::DeviceKind::kCuda, index_}; }
  std::string name() const override { return name_; }
  std::string uuid() const override { return uuid_; }
  DeviceMemory memory() const override;
  Telemetry telemetry() const override;

 private:
  std::shared_ptr<const Nvml> nvml_;
  Nvml::Handle handle_;
  int index_;
  std::string name_;
  std::string uuid_;
};

}  // namespace greenroom::devices
