// Starting and ending greenroom in a process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "greenroom/error.h"
#include "greenroom/model_manager.h"

namespace greenroom {

// What a program sets itself; it outweighs the configuration file.
struct InitOptions {
  std::optional<std::filesystem::path> config_file;  // else the file that GREENROOM_CONFIG names, or none
  std::optional<std::filesystem::path> cache_dir;  // what is kept across restarts; an empty path: nothing is
  std::optional<std::filesystem::path> pretrain_dir;    // DDSP-SVC's encoder, pitch and vocoder files
  std::optional<std::string> device;                    // "auto", "cpu", "cuda:N"
  std::map<std::string, std::uint64_t> memory_budgets;  // bytes by device
  std::optional<int> threads;                           // of one inference on the CPU
  // Starts the threads of ModelLifecycleManager::start_auto_management and, unless
  // gpu.memory_monitoring_enabled is off, of MemoryMonitor::start_monitoring.
  bool auto_management = true;
  bool restore_models = false;  // load again what was to be kept loaded; initialize returns when it is there
};

struct GPUManagementStatus {
  bool initialized = false;
  std::string problem;  // why the last initialisation failed; empty when it did not
  int total_models = 0;
  int loaded_models = 0;
  bool auto_cleanup_enabled = false;
  bool auto_management_running = false;
  bool memory_monitoring_running = false;
  double uptime_seconds = 0;
  std::vector<DeviceMemoryUsage> devices;
  std::vector<std::string> state_problems;  // why what should be kept across restarts is not
};

// The same three things as functions. There need not be one.
class GPUManagerInitializer {
 public:
  explicit GPUManagerInitializer(InitOptions options = {}) : options_(std::move(options)) {}
  bool initialize();
  void shutdown();
  GPUManagementStatus get_status() const;

 private:
  InitOptions options_;
};

// Finds the devices and opens what was kept; loads nothing (but see restore_models). True when it is ready,
// also when it was before (then the options are ignored). False when it failed;
// gpu_management_status().problem says why. Thread-safe; call it before the program starts threads of its own
// where it can, since it sets environment variables that libtorch's thread pool reads.
bool initialize_gpu_management(const InitOptions& options = {});

// Unloads everything and ends greenroom's threads, once calls in progress have returned. Handles and
// listeners stay valid and useless; initialize_gpu_management starts anew. Does nothing when it is not
// initialised. Not from within a callback of infer(), which is a call in progress.
void shutdown_gpu_management();

// Never throws for want of initialisation.
GPUManagementStatus gpu_management_status();

// Picks a voice for a recording and has it loaded: the registered DDSP-SVC model of id `target_speaker`, or
// in a folder of that name, or the only one there is when `target_speaker` is empty; `target_speaker` may be
// a path, too. Puts one reference on it, and returns its id. Throws Error: not_found (the recording, or no
// such voice: lists those there are), invalid_argument (several fit), and what a load throws.
std::string auto_load_for_conversion(const std::filesystem::path& audio_path,
                                     const std::string& target_speaker = {});

// Picks an IndexTTS-2 model to say `text` in the voice of `speaker_audio`, and has it loaded: the one that
// index_tts.model_dir names, else the registered one, the loaded one where there are several. Puts one
// reference on it, and returns its id. Throws Error: not_found (the recording, or no such model),
// invalid_argument (the text is empty; several models fit: lists them), and what a load throws.
std::string auto_load_for_synthesis(const std::string& text, const std::filesystem::path& speaker_audio);

}  // namespace greenroom
