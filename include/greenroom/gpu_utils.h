// Devices and what fits on them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "greenroom/error.h"

namespace greenroom {

// A reading that the device does not offer is absent.
struct GPUInfo {
  std::string device;  // "cuda:0"
  std::string name;
  std::string uuid;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  // other programs considered
  std::optional<int> utilisation_percent;
  std::optional<int> temperature_celsius;
  std::string problem;  // why it cannot be read; empty when it can
};

// Main memory, as far as this process may use it (control groups considered), in bytes.
struct SystemMemoryInfo {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
  double usage_percent = 0;
};

// All functions are thread-safe and throw Error.
class GPUUtils {
 public:
  // Where "auto" would load a model now: "cuda:0", or "cpu" without a GPU that can be used.
  static std::string get_optimal_device();

  // Would `mb` MiB more fit on the device now, if idle models made room? Asks; changes nothing. An answer,
  // not a promise: the load itself reserves. Throws: invalid_argument (no such device).
  static bool check_memory_requirement(std::uint64_t mb, const std::string& device = "auto");

  // Bytes that the weights of the model at `path` will occupy, exactly, from file headers alone; components
  // that it shares with loaded models included. Throws: not_found, data_loss, invalid_argument.
  static std::uint64_t estimate_model_memory(const std::filesystem::path& path);

  static std::vector<GPUInfo> get_all_gpu_info();  // in CUDA's order; empty without a GPU
  static SystemMemoryInfo get_system_memory_info();
};

}  // namespace greenroom
