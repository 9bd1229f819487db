#include "devices/discover.h"

#include <utility>

#include "devices/cuda_device.h"
#include "devices/drm_device.h"
#include "devices/visible_gpus.h"

namespace greenroom::devices {
namespace {

CudaDevice::Identity identity_of(const Nvml::Gpu& gpu, const VisibleGpu& visible, int index) {
  CudaDevice::Identity identity{index, gpu.uuid, gpu.name, gpu.bus_id};
  if (visible.instance) {
    identity.uuid = gpu.instances[*visible.instance].uuid;
    identity.name = gpu.instances[*visible.instance].name;
  }
  return identity;
}

std::string reason_for_none(const std::vector<Nvml::Gpu>& gpus, const CudaVariables& variables) {
  if (gpus.empty()) return "the NVIDIA driver knows no GPU";
  if (variables.visible_devices) {
    return "CUDA_VISIBLE_DEVICES=" + *variables.visible_devices + " hides every GPU";
  }
  return "every GPU is in MIG mode and has no instance; make one with nvidia-smi mig";
}

}  // namespace

Discovery discover(const CpuDevice::Options& cpu) {
  Discovery found;
  found.devices.push_back(std::make_shared<CpuDevice>(cpu));
  for (auto& device : DrmDevice::find({cpu.root, cpu.clock})) found.observed.push_back(std::move(device));

  const auto nvml = Nvml::open("", &found.no_gpu_reason, cpu.clock);
  if (!nvml) return found;
  found.driver_version = nvml->driver_version();
  found.cuda_version = nvml->cuda_version();
  const auto variables = read_cuda_variables();
  int index = 0;
  for (const auto& visible : visible_gpus(nvml->gpus(), variables)) {
    found.devices.push_back(
        std::make_shared<CudaDevice>(nvml, identity_of(nvml->gpus()[visible.gpu], visible, index), cpu.root));
    ++index;
  }
  if (index == 0) found.no_gpu_reason = reason_for_none(nvml->gpus(), variables);
  if (is_order_uncertain(nvml->gpus(), variables)) {
    found.warning =
        "CUDA_DEVICE_ORDER=FASTEST_FIRST and the GPUs differ, so which is cuda:0 is a guess; set it to "
        "PCI_BUS_ID";
  }
  return found;
}

}  // namespace greenroom::devices
