// Which GPUs CUDA shows to this process, and in which order.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "devices/nvml.h"

namespace greenroom::devices {

// One device of CUDA: a GPU by its place in NVML's order, or one MIG instance of it.
struct VisibleGpu {
  std::size_t gpu = 0;
  std::optional<std::size_t> instance;

  bool operator==(const VisibleGpu&) const = default;
};

// The values of CUDA's environment variables; nullopt when one is not set.
struct CudaVariables {
  std::optional<std::string> visible_devices;  // CUDA_VISIBLE_DEVICES
  std::optional<std::string> device_order;     // CUDA_DEVICE_ORDER
};
CudaVariables read_cuda_variables();

// CUDA's own rules, as PyTorch describes them (torch/cuda/__init__.py: _parse_visible_devices()): numbers, or
// prefixes of UUIDs, or prefixes of MIG UUIDs, one kind in one list. The list ends at the first entry that
// names nothing or more than one device; a device named twice hides all. Numbers count in CUDA_DEVICE_ORDER.
// CUDA uses one MIG instance per process, so the list ends with the first; a GPU in MIG mode is its first
// instance, and nothing without one.
std::vector<VisibleGpu> visible_gpus(const std::vector<Nvml::Gpu>& gpus, const CudaVariables& variables);

// Whether the order above is only a guess: CUDA sorts unlike GPUs by its own idea of speed when it is told
// nothing else than FASTEST_FIRST. (greenroom itself says PCI_BUS_ID where nothing is said.)
bool is_order_uncertain(const std::vector<Nvml::Gpu>& gpus, const CudaVariables& variables);

// Sets CUDA_DEVICE_ORDER to PCI_BUS_ID when it is not set, so that CUDA's numbers are nvidia-smi's. Before
// CUDA is started and while this process has one thread.
void prefer_bus_order();

}  // namespace greenroom::devices
