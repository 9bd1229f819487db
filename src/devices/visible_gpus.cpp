#include "devices/visible_gpus.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace greenroom::devices {
namespace {

constexpr const char* kOrderVariable = "CUDA_DEVICE_ORDER";
constexpr std::string_view kFastestFirst = "FASTEST_FIRST";

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> entries;
  while (true) {
    const auto comma = text.find(',');
    entries.push_back(trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return entries;
    text.remove_prefix(comma + 1);
  }
}

// As C's strtoul: what follows the digits does not matter. nullopt without digits, and for a negative number.
std::optional<std::size_t> parse_ordinal(std::string_view entry) {
  constexpr std::size_t kTooLarge = 1'000'000;
  std::size_t value = 0, digits = 0;
  for (; digits < entry.size() && entry[digits] >= '0' && entry[digits] <= '9'; ++digits) {
    value = std::min(value * 10 + static_cast<std::size_t>(entry[digits] - '0'), kTooLarge);
  }
  return digits > 0 ? std::optional(value) : std::nullopt;
}

// NVML's numbers in the order in which CUDA counts.
std::vector<std::size_t> cuda_order(const std::vector<Nvml::Gpu>& gpus, const CudaVariables& variables) {
  std::vector<std::size_t> order(gpus.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (variables.device_order == kFastestFirst) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return gpus[a].speed > gpus[b].speed; });
  }
  return order;
}

// All devices an entry may name by number.
std::vector<VisibleGpu> by_number(const std::vector<Nvml::Gpu>& gpus, const CudaVariables& variables) {
  std::vector<VisibleGpu> devices;
  for (const std::size_t index : cuda_order(gpus, variables)) {
    if (!gpus[index].is_mig) {
      devices.push_back({index, std::nullopt});
    } else if (!gpus[index].instances.empty()) {
      devices.push_back({index, 0});
    }
  }
  return devices;
}

// The one device whose UUID begins with `prefix`.
std::optional<VisibleGpu> by_prefix(const std::vector<Nvml::Gpu>& gpus, std::string_view prefix,
                                    bool instances) {
  std::vector<VisibleGpu> found;
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    if (!instances && gpus[i].uuid.starts_with(prefix)) {
      if (!gpus[i].is_mig) found.push_back({i, std::nullopt});
      if (gpus[i].is_mig && !gpus[i].instances.empty()) found.push_back({i, 0});
    }
    for (std::size_t k = 0; instances && k < gpus[i].instances.size(); ++k) {
      if (gpus[i].instances[k].uuid.starts_with(prefix)) found.push_back({i, k});
    }
  }
  return found.size() == 1 ? std::optional(found.front()) : std::nullopt;
}

void end_after_first_instance(std::vector<VisibleGpu>& devices) {
  const auto first =
      std::find_if(devices.begin(), devices.end(), [](const VisibleGpu& gpu) { return gpu.instance; });
  if (first != devices.end()) devices.erase(first + 1, devices.end());
}

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

}  // namespace

CudaVariables read_cuda_variables() {
  return {variable("CUDA_VISIBLE_DEVICES"), variable(kOrderVariable)};
}

std::vector<VisibleGpu> visible_gpus(const std::vector<Nvml::Gpu>& gpus, const CudaVariables& variables) {
  const auto numbered = by_number(gpus, variables);
  std::vector<VisibleGpu> devices;
  if (!variables.visible_devices) {
    devices = numbered;
  } else {
    const auto entries = split(*variables.visible_devices);
    const bool uuids = entries.front().starts_with("GPU-");
    const bool instances = entries.front().starts_with("MIG-");
    for (const auto entry : entries) {
      std::optional<VisibleGpu> device;
      if (uuids || instances) {
        if (entry.starts_with(uuids ? "GPU-" : "MIG-")) device = by_prefix(gpus, entry, instances);
      } else if (const auto ordinal = parse_ordinal(entry); ordinal && *ordinal < numbered.size()) {
        device = numbered[*ordinal];
      }
      if (!device) break;
      if (std::find(devices.begin(), devices.end(), *device) != devices.end()) return {};
      devices.push_back(*device);
    }
  }
  end_after_first_instance(devices);
  return devices;
}

bool is_order_uncertain(const std::vector<Nvml::Gpu>& gpus, const CudaVariables& variables) {
  if (variables.device_order != kFastestFirst) return false;
  if (variables.visible_devices &&
      (variables.visible_devices->starts_with("GPU-") || variables.visible_devices->starts_with("MIG-"))) {
    return false;
  }
  return std::any_of(gpus.begin(), gpus.end(),
                     [&](const Nvml::Gpu& gpu) { return gpu.name != gpus.front().name; });
}

void prefer_bus_order() {
  constexpr int kKeep = 0;
  ::setenv(kOrderVariable, "PCI_BUS_ID", kKeep);
}

}  // namespace greenroom::devices
