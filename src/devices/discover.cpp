#include "devices/discover.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "devices/cuda_device.h"

namespace greenroom::devices {
namespace {

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// A number or a UUID prefix that fits exactly one GPU.
std::optional<unsigned> find_gpu(const std::vector<std::string>& uuids, std::string_view entry) {
  unsigned index = 0;
  const auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), index);
  if (error == std::errc() && end == entry.data() + entry.size()) {
    return index < uuids.size() ? std::optional(index) : std::nullopt;
  }
  if (!entry.starts_with("GPU-")) return std::nullopt;
  std::optional<unsigned> found;
  for (unsigned i = 0; i < uuids.size(); ++i) {
    if (!uuids[i].starts_with(entry)) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

}  // namespace

std::vector<unsigned> visible_gpus(const std::vector<std::string>& uuids,
                                   std::optional<std::string_view> variable) {
  std::vector<unsigned> result;
  if (!variable) {
    result.resize(uuids.size());
    std::iota(result.begin(), result.end(), 0u);
    return result;
  }
  for (std::string_view rest = *variable; !rest.empty();) {
    const auto comma = rest.find(',');
    const auto gpu = find_gpu(uuids, trim(rest.substr(0, comma)));
    if (!gpu || std::find(result.begin(), result.end(), *gpu) != result.end()) break;
    result.push_back(*gpu);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return result;
}

Discovery discover(const CpuDevice::Options& cpu) {
  Discovery found;
  found.devices.push_back(std::make_unique<CpuDevice>(cpu));
  const auto nvml = Nvml::open("libnvidia-ml.so.1", &found.no_gpu_reason);
  if (!nvml) return found;
  found.driver_version = nvml->driver_version();

  std::vector<Nvml::Handle> handles;
  std::vector<std::string> uuids;
  for (unsigned i = 0; i < nvml->device_count(); ++i) {
    if (const auto handle = nvml->device(i)) {
      handles.push_back(*handle);
      uuids.push_back(nvml->uuid(*handle));
    }
  }
  const char* variable = std::getenv("CUDA_VISIBLE_DEVICES");
  const auto visible =
      visible_gpus(uuids, variable != nullptr ? std::optional<std::string_view>(variable) : std::nullopt);
  for (std::size_t i = 0; i < visible.size(); ++i) {
    found.devices.push_back(std::make_unique<CudaDevice>(nvml, handles[visible[i]], static_cast<int>(i)));
  }
  if (handles.empty()) {
    found.no_gpu_reason = "the NVIDIA driver reports no GPU";
  } else if (visible.empty()) {
    found.no_gpu_reason = "CUDA_VISIBLE_DEVICES hides every GPU";
  }
  return found;
}

}  // namespace greenroom::devices
