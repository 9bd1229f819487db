#include "devices/cuda_device.h"

#include <utility>

#include "base/error.h"

namespace greenroom::devices {

CudaDevice::CudaDevice(std::shared_ptr<const Nvml> nvml, Nvml::Handle handle, int index)
    : nvml_(std::move(nvml)),
      handle_(handle),
      index_(index),
      name_(nvml_->name(handle)),
      uuid_(nvml_->uuid(handle)) {}

DeviceMemory CudaDevice::memory() const {
  if (const auto memory = nvml_->memory(handle_)) return *memory;
  throw base::Error(base::ErrorCode::kUnavailable, base::to_string(id()) + ": NVML cannot read its memory");
}

Telemetry CudaDevice::telemetry() const {
  return {nvml_->utilisation_percent(handle_), nvml_->temperature_celsius(handle_)};
}

}  // namespace greenroom::devices
