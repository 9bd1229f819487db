// The commands, each a function of parsed arguments that returns the exit status.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "checkpoint/tensor_view.h"
#include "core/policy.h"
#include "core/trace.h"
#include "models/voice.h"

namespace greenroom::cli {

inline constexpr const char* kVersion = GREENROOM_VERSION;

struct ConvertArguments {
  std::filesystem::path model, input, output;
  models::ConvertOptions options;
  std::string speaker_mix;  // as it was written
  bool timings = false;
  bool local = false;  // not by the daemon
};

struct SpeakArguments {
  std::filesystem::path model, voice, emotion_audio, text_file, output;
  std::optional<std::string> text;  // else of text_file, else of standard input
  std::vector<double> emotion_vector;
  std::optional<std::string> emotion_text;  // empty: the text itself
  models::SpeakOptions options;
  bool timings = false;
  bool local = false;  // not by the daemon
};

struct EstimateArguments {
  std::vector<std::filesystem::path> paths;
  checkpoint::DType dtype = checkpoint::DType::kFloat32;  // of the weights on the device
  bool json = false;
};

struct ConvertCheckpointArguments {
  std::filesystem::path input, output;
  std::optional<checkpoint::DType> dtype;  // of the result; as stored when absent
  bool skip_unsupported = false;
  bool force = false;
};

// `language` is "en", "zh" or empty: what the environment says.
struct GpuArguments {
  bool json = false;
  bool watch = false;
  double interval_seconds = 2;
  std::string language;
};

struct CheckArguments {
  std::vector<std::string> models;  // beside those that are registered
  std::string language;
};

struct TopArguments {
  double interval_seconds = 1;
  int count = 0;  // screens to show; 0: until somebody has seen enough
  std::string language;
};

struct PlanArguments {
  std::vector<std::string> models;  // ids or paths
  std::string task;
  std::filesystem::path input;      // a recording to convert; empty: none
  std::optional<std::string> text;  // to speak
  bool json = false;
};

struct SimulateArguments {
  std::filesystem::path trace;  // "-": standard input
  bool generate = false;        // write a trace instead
  core::TraceRecipe recipe;
  std::optional<core::EvictionPolicy> policy;  // the configured one when absent
  std::uint64_t host_tier_bytes = 0;
  int lag_ms = 0;
  double disk_megabytes_per_second = 1000;
  std::size_t decisions = 0;  // to show
  bool json = false;
};

// The commands that speak to a running daemon.
struct DaemonArguments {
  enum class Act { kPs, kLoad, kUnload, kPreload, kCleanUp, kOptimize, kEvents, kWhy };
  Act act = Act::kPs;
  std::string server;  // empty: as the environment or the configuration says
  std::string name;    // of a model or a task; what `why` is about
  std::string id, device;
  int limit = 10;  // decisions and events that `why` shows
  bool all = false;
  bool force = false;
  bool json = false;
};

int run_daemon_command(const app::Config& config, const DaemonArguments& arguments);
int run_plan(const app::Config& config, const PlanArguments& arguments);
int run_simulate(const app::Config& config, const SimulateArguments& arguments);
int run_convert(const app::Config& config, const ConvertArguments& arguments);
int run_speak(const app::Config& config, const SpeakArguments& arguments);
int run_estimate(const app::Config& config, const EstimateArguments& arguments);
int run_inspect(const std::filesystem::path& path, bool json, bool verify);
int run_convert_checkpoint(const ConvertCheckpointArguments& arguments);
int run_demo_models(const std::filesystem::path& folder, bool real_dimensions);
int run_gpu(const GpuArguments& arguments);
int run_check(const app::Config& config, const CheckArguments& arguments);
int run_top(const app::Config& config, const TopArguments& arguments);
// Does not return.
int run_worker(const std::string& device);
// `reread` reads the configuration again, for SIGHUP.
int run_serve(const app::Config& config, const std::function<app::Config()>& reread);

}  // namespace greenroom::cli
