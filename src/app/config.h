// What the user set: one YAML file, the environment, the command line, in that order of growing weight.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/device_id.h"

namespace greenroom::app {

struct Config {
  std::map<base::DeviceId, std::uint64_t>
      memory_budgets;                  // bytes; a device without one may be filled as far as it is free
  std::string device = "auto";         // "auto", "cpu", "cuda:0"
  std::filesystem::path pretrain_dir;  // of DDSP-SVC; empty: only what the model's own config says
  std::filesystem::path cache_dir;
  std::string log_level = "WARNING";
  int threads = 0;  // of one inference on the CPU; 0: all cores
  std::string host = "127.0.0.1";
  int port = 7860;
};

// Reads `file`, or the file CREATYOURVOICE_CONFIG / GREENROOM_CONFIG name, or nothing; then the other
// variables (GREENROOM_DEVICE, GREENROOM_DEBUG and their CREATYOURVOICE_ forms). Unknown keys are logged and
// skipped. Throws base::Error naming file and key.
Config load_config(const std::optional<std::filesystem::path>& file);

// "cpu=2GiB", "cuda:0=8GB". Throws base::Error(kInvalidArgument).
void set_memory_budget(Config& config, std::string_view text);

}  // namespace greenroom::app
