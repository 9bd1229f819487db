// All devices of this machine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "devices/cpu_device.h"
#include "devices/device.h"
#include "devices/nvml.h"

namespace greenroom::devices {

struct Discovery {
  std::vector<std::shared_ptr<const Device>> devices;   // the CPU first, then the GPUs in CUDA's order
  std::vector<std::shared_ptr<const Device>> observed;  // GPUs that can be watched, but not used: AMD, Intel
  std::string driver_version;                           // of the NVIDIA driver; empty without one
  std::string cuda_version;                             // the newest it can do; empty when unknown
  std::string no_gpu_reason;  // why there is no GPU for the models; empty when there is one
  std::string warning;        // about the order of the GPUs; usually empty
};

// Reads CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER. A machine without a GPU is a normal answer. `cpu.root` is
// where /proc and /sys are.
Discovery discover(const CpuDevice::Options& cpu = {});

}  // namespace greenroom::devices
