// All devices of this machine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "devices/cpu_device.h"
#include "devices/device.h"
#include "devices/nvml.h"

namespace greenroom::devices {

struct Discovery {
  std::vector<std::unique_ptr<const Device>> devices;  // the CPU first, then the GPUs in CUDA's order
  std::string driver_version;                          // of the NVIDIA driver; empty without one
  std::string no_gpu_reason;                           // why there is no GPU; empty when there is one
};

// Reads CUDA_VISIBLE_DEVICES. A machine without a GPU is a normal answer.
Discovery discover(const CpuDevice::Options& cpu = {});

// Which of `uuids` (in NVML's order) CUDA sees, in CUDA's order: CUDA_VISIBLE_DEVICES with numbers or UUID
// prefixes; as there, the list ends at the first entry that names nothing. Without the variable: all.
std::vector<unsigned> visible_gpus(const std::vector<std::string>& uuids,
                                   std::optional<std::string_view> variable);

}  // namespace greenroom::devices
