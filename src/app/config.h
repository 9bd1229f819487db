// What the user set: one YAML file, the environment, the command line, in that order of growing weight.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/gpu_settings.h"
#include "app/model_registry.h"
#include "app/monitoring_settings.h"
#include "base/device_id.h"
#include "base/log.h"
#include "core/policy.h"
#include "core/request_queue.h"
#include "core/task_profiles.h"

namespace greenroom::app {

// Something about the file that the user may want to know, kept until the log level is set.
struct ConfigNotice {
  base::LogLevel level = base::LogLevel::kInfo;
  std::string message;
};

struct Config {
  std::map<base::DeviceId, std::uint64_t>
      memory_budgets;                  // bytes; a device without one may be filled as far as it is free
  std::string device = "auto";         // "auto", "cpu", "cuda:0"
  std::filesystem::path pretrain_dir;  // of DDSP-SVC; empty: only what the model's own config says
  // Where else files that an IndexTTS-2 model borrows are looked for.
  std::vector<std::filesystem::path> index_tts_search;
  std::string index_tts_precision = "auto";  // of its language model: "float16" on a GPU, else "float32"
  std::filesystem::path cache_dir;           // of what is kept across restarts; empty: nothing is
  Restore restore = Restore::kKept;          // which models a server loads at start
  std::size_t max_events = 100'000;          // in the history
  GpuSettings gpu;
  core::QueueOptions queue;              // of each device
  std::filesystem::path ddsp_svc_model;  // of the default tasks; both empty: they name no such model
  std::filesystem::path index_tts_model;
  std::vector<core::TaskProfile> tasks;  // of the section tasks; each replaces the default task of its name
  std::string log_level = "WARNING";
  // Host memory for copies of weights that were on a GPU; a quarter of the machine's when absent.
  std::optional<std::uint64_t> host_cache_bytes;
  double max_memory_usage_percent = 90;  // of a device, weights and workspace together
  core::EvictionPolicy eviction_policy = core::EvictionPolicy::kCost;
  int min_residence_seconds = 10;  // what is younger goes only when nothing older does
  bool share_equal_files = true;   // files with the same bytes under different names are loaded once
  // Models run in a process of their own for each device, which is ended when it was empty for so long; only
  // where `worker_program` says what to start, as the server does.
  bool worker_processes = true;
  int worker_idle_seconds = 60;
  std::filesystem::path worker_program;
  int threads = 0;  // of one inference on the CPU; 0: the cores, shared by the requests that run at once
  std::string host = "127.0.0.1";
  int port = 7860;
  std::string api_key;                             // of the server; empty: none is asked for
  bool no_auth = false;                            // other machines may use it without a key
  std::vector<std::string> allowed_hosts;          // names the server answers to, beside its own
  std::vector<std::filesystem::path> model_roots;  // where it takes models from, beside the folders above
  std::uint64_t max_upload_bytes = 512U << 20;
  std::uint64_t max_audio_bytes = 1U << 30;  // of uploaded recordings, as samples
  int max_connections = 512;
  MonitoringSettings monitoring;
  std::vector<ConfigNotice> notices;
};

// Reads `file`, or the file GREENROOM_CONFIG / CREATYOURVOICE_CONFIG name, or nothing; then the other
// variables (GREENROOM_DEVICE, GREENROOM_DEBUG, GREENROOM_API_KEY and their CREATYOURVOICE_ forms). Folders
// in the file are relative to the file. Without system.cache_dir it is "greenroom" in XDG_CACHE_HOME, else in
// ~/.cache. Settings that are unknown or not used yet become notices. Throws base::Error naming file and key.
Config load_config(const std::optional<std::filesystem::path>& file);

// "cpu=2GiB", "cuda:0=8GB". Throws base::Error(kInvalidArgument).
void set_memory_budget(Config& config, std::string_view text);

// "kept"; nullopt for none of kept, held and none.
std::optional<Restore> parse_restore(std::string_view text);

// DEBUG, INFO, WARNING or ERROR, in any case.
bool is_log_level(std::string_view name);

}  // namespace greenroom::app
