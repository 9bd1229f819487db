#include "devices/cuda_device.h"

#include <utility>

#include "base/error.h"
#include "devices/cpu_device.h"
#include "devices/processes.h"

namespace greenroom::devices {
namespace {

// Runs `read`; an error names the device as the user knows it.
template <typename Read>
auto named(base::DeviceId id, Read&& read) {
  try {
    return read();
  } catch (const base::Error& error) {
    throw base::Error(error.code(), base::to_string(id) + ": " + error.what());
  }
}

}  // namespace

CudaDevice::CudaDevice(std::shared_ptr<const Nvml> nvml, Identity identity, std::filesystem::path root)
    : nvml_(std::move(nvml)), identity_(std::move(identity)), root_(std::move(root)) {}

DeviceMemory CudaDevice::memory() const {
  return named(id(), [&] {
    DeviceMemory memory = nvml_->memory(identity_.uuid);
    if (!memory.shared_with_host) return memory;
    const DeviceMemory host = CpuDevice({.root = root_}).memory();
    memory.total = host.total;
    memory.free = host.free;
    std::uint64_t held = 0;
    bool told = true;
    for (const auto& process : nvml_->processes(identity_.uuid)) {
      told = told && process.bytes;
      held += process.bytes.value_or(0);
    }
    if (told) memory.gpu_used = held;
    return memory;
  });
}

Telemetry CudaDevice::telemetry() const {
  return named(id(), [&] { return nvml_->telemetry(identity_.uuid); });
}

std::vector<ProcessUse> CudaDevice::processes() const {
  return named(id(), [&] {
    auto processes = nvml_->processes(identity_.uuid);
    identify(processes, root_);
    return processes;
  });
}

std::optional<PcieThroughput> CudaDevice::pcie_throughput() const {
  return named(id(), [&] { return nvml_->pcie_throughput(identity_.uuid); });
}

}  // namespace greenroom::devices
