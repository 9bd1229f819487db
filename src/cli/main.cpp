#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <new>
#include <sstream>
#include <system_error>

#include "app/model_library.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/daemon_options.h"
#include "cli/speak_options.h"
#include "devices/visible_gpus.h"

namespace greenroom::cli {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

constexpr int kFailure = 1;
constexpr int kUsage = 2;
constexpr int kInterrupted = 130;

struct Arguments {
  std::string config_file, log_level, pretrain_dir, device, speaker_mix, method, host;
  std::vector<std::string> budgets;
  std::string api_key;
  std::vector<std::string> allowed_hosts;
  std::vector<fs::path> model_roots;
  bool no_auth = false;
  int threads = 0;
  int port = -1;
  int steps = 0;
  double t_start = 0;
  bool real = false;
  bool json = false;
  bool verify = false;
  std::string dtype;
  ConvertArguments convert;
  SpeakOptionsLine speak;
  std::string precision;
  std::vector<fs::path> search_dirs;
  EstimateArguments estimate;
  ConvertCheckpointArguments convert_checkpoint;
  GpuArguments gpu;
  CheckArguments check;
  TopArguments top;
  PlanArguments plan;
  SimulateArguments simulate;
  DaemonArguments daemon;
  std::string policy, generate, host_tier;
  fs::path folder;
  fs::path file;
};

// "1:0.3,2:0.7". Throws CLI::ValidationError.
std::vector<std::pair<int, double>> parse_speaker_mix(const std::string& text) {
  std::vector<std::pair<int, double>> mix;
  std::istringstream stream(text);
  std::string item;
  while (std::getline(stream, item, ',')) {
    std::istringstream parts(item);
    int speaker = 0;
    char colon = 0;
    double weight = 0;
    if (!(parts >> speaker >> colon >> weight) || colon != ':' || !parts.eof()) {
      throw CLI::ValidationError("--speaker-mix", fmt::format("{} is not of the form 1:0.3,2:0.7", text));
    }
    mix.emplace_back(speaker, weight);
  }
  return mix;
}

// For CLI::Option::check: the message, or an empty one when all is well.
std::string check_budget(const std::string& text) {
  try {
    app::Config ignored;
    app::set_memory_budget(ignored, text);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string check_float_type(const std::string& text) {
  const auto dtype = checkpoint::parse_dtype(text);
  return dtype && checkpoint::is_floating(*dtype) ? ""
                                                  : text + " is not float32, float16, bfloat16 or float64";
}

std::string check_log_level(const std::string& text) {
  return app::is_log_level(text) ? "" : text + " is not DEBUG, INFO, WARNING or ERROR";
}

void add_convert_options(CLI::App& command, Arguments& arguments) {
  auto& options = arguments.convert.options;
  command.add_option("--model,-m", arguments.convert.model, "The voice: a model_N.pt or its folder")
      ->required();
  command.add_option("--speaker", options.speaker, "Speaker number, from 1")->capture_default_str();
  command.add_option("--speaker-mix", arguments.speaker_mix,
                     "Several speakers with weights, e.g. 1:0.3,2:0.7");
  command.add_option("--key", options.key_semitones, "Key shift in semitones")->capture_default_str();
  command.add_option("--formant", options.formant_semitones, "Formant shift in semitones")
      ->capture_default_str();
  command.add_option("--vocal-register", options.vocal_register_semitones,
                     "Vocal register shift in semitones (6.3)");
  command.add_option("--f0", options.f0_extractor, "Pitch extractor")->capture_default_str();
  command.add_option("--steps", arguments.steps, "Steps of the flow (default: the model's own)");
  command.add_option("--method", arguments.method, "euler or rk4 (default: the model's own)")
      ->check(CLI::IsMember({"euler", "rk4"}));
  command.add_option("--t-start", arguments.t_start,
                     "Where the flow starts, 0 to 1 (default: the model's own)");
  command.add_option("--threshold", options.threshold_db, "Frames quieter than this many dB are silent")
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Seed of the noise")->capture_default_str();
  command.add_option("--device", arguments.device, "auto, cpu or cuda:N");
  command.add_option("--threads", arguments.threads, "CPU threads (default: all cores)")
      ->check(CLI::Range(1, 1024));
  command.add_flag("--timings", arguments.convert.timings, "Print the time of each stage");
  command.add_flag("--local", arguments.convert.local, "Here, also when a daemon runs");
  command.add_option("IN", arguments.convert.input, "A recording, any format libsndfile reads")->required();
  command.add_option("OUT", arguments.convert.output, "Where to write: .wav or .flac")->required();
}

app::Config make_config(const Arguments& arguments) {
  auto config = app::load_config(
      arguments.config_file.empty() ? std::nullopt : std::optional<fs::path>(arguments.config_file));
  for (const auto& budget : arguments.budgets) app::set_memory_budget(config, budget);
  if (!arguments.pretrain_dir.empty()) config.pretrain_dir = arguments.pretrain_dir;
  if (!arguments.precision.empty()) config.index_tts_precision = arguments.precision;
  config.index_tts_search.insert(config.index_tts_search.end(), arguments.search_dirs.begin(),
                                 arguments.search_dirs.end());
  if (!arguments.device.empty()) config.device = arguments.device;
  if (arguments.threads > 0) config.threads = arguments.threads;
  if (!arguments.host.empty()) config.host = arguments.host;
  if (arguments.port >= 0) config.port = arguments.port;
  if (!arguments.api_key.empty()) config.api_key = arguments.api_key;
  config.no_auth = arguments.no_auth;
  config.allowed_hosts.insert(config.allowed_hosts.end(), arguments.allowed_hosts.begin(),
                              arguments.allowed_hosts.end());
  config.model_roots.insert(config.model_roots.end(), arguments.model_roots.begin(),
                            arguments.model_roots.end());
  if (!arguments.log_level.empty()) config.log_level = arguments.log_level;
  base::set_log_level(config.log_level);
  for (const auto& notice : config.notices) base::log(notice.level, "app", notice.message);
  return config;
}

// Settings of a process of its own, which a daemon does not take from a request.
bool runs_here(const Arguments& arguments) {
  return !arguments.device.empty() || arguments.threads > 0 || !arguments.precision.empty() ||
         !arguments.search_dirs.empty() || !arguments.budgets.empty() || !arguments.pretrain_dir.empty();
}

ConvertArguments finish_convert(const CLI::App& command, Arguments& arguments) {
  auto& options = arguments.convert.options;
  arguments.convert.speaker_mix = arguments.speaker_mix;
  arguments.convert.local |= runs_here(arguments);
  if (!arguments.speaker_mix.empty()) options.speaker_mix = parse_speaker_mix(arguments.speaker_mix);
  if (command.count("--steps") > 0) options.steps = arguments.steps;
  if (command.count("--t-start") > 0) options.t_start = arguments.t_start;
  if (arguments.method == "euler") options.method = models::OdeMethod::kEuler;
  if (arguments.method == "rk4") options.method = models::OdeMethod::kRk4;
  return arguments.convert;
}

SimulateArguments finish_simulate(Arguments& arguments) {
  SimulateArguments& simulate = arguments.simulate;
  simulate.json = arguments.json;
  simulate.policy = core::parse_eviction_policy(arguments.policy);
  if (!arguments.host_tier.empty()) {
    const auto bytes = base::parse_bytes(arguments.host_tier);
    if (!bytes) throw CLI::ValidationError("--host-tier", arguments.host_tier + " is no size such as 8GiB");
    simulate.host_tier_bytes = *bytes;
  }
  simulate.generate = !arguments.generate.empty();
  if (simulate.generate == !simulate.trace.empty()) {
    throw CLI::ValidationError("simulate", "name either a TRACE or --generate");
  }
  for (const auto shape : {core::TraceShape::kZipf, core::TraceShape::kDayNight, core::TraceShape::kScan}) {
    if (arguments.generate == core::trace_shape_name(shape)) simulate.recipe.shape = shape;
  }
  return simulate;
}

int dispatch(CLI::App& program, Arguments& arguments) {
  if (program.got_subcommand("worker")) {  // the server has read the configuration
    if (!arguments.log_level.empty()) base::set_log_level(arguments.log_level);
    return run_worker(arguments.device);
  }
  const auto config = make_config(arguments);
  if (auto* convert = program.get_subcommand("convert"); convert->parsed()) {
    return run_convert(config, finish_convert(*convert, arguments));
  }
  if (auto* speak = program.get_subcommand("speak"); speak->parsed()) {
    arguments.speak.arguments.local |= runs_here(arguments);
    return run_speak(config, finish_speak(*speak, arguments.speak));
  }
  const auto dtype = checkpoint::parse_dtype(arguments.dtype);
  if (program.got_subcommand("estimate")) {
    if (dtype) arguments.estimate.dtype = *dtype;
    arguments.estimate.json = arguments.json;
    return run_estimate(config, arguments.estimate);
  }
  if (program.got_subcommand("plan")) {
    arguments.plan.json = arguments.json;
    if (arguments.plan.models.empty() && arguments.plan.task.empty()) {
      throw CLI::RequiredError("plan: --load MODEL or --task NAME");
    }
    return run_plan(config, arguments.plan);
  }
  if (program.got_subcommand("simulate")) return run_simulate(config, finish_simulate(arguments));
  if (program.got_subcommand("inspect")) return run_inspect(arguments.file, arguments.json, arguments.verify);
  if (program.got_subcommand("convert-checkpoint")) {
    arguments.convert_checkpoint.dtype = dtype;
    return run_convert_checkpoint(arguments.convert_checkpoint);
  }
  if (program.got_subcommand("demo-models")) return run_demo_models(arguments.folder, arguments.real);
  if (program.got_subcommand("gpu")) {
    arguments.gpu.json = arguments.json;
    return run_gpu(arguments.gpu);
  }
  if (program.got_subcommand("check")) return run_check(config, arguments.check);
  if (program.got_subcommand("top")) return run_top(config, arguments.top);
  if (const auto act = daemon_command(program)) {
    arguments.daemon.act = *act;
    return run_daemon_command(config, arguments.daemon);
  }
  return run_serve(config, [&arguments] { return make_config(arguments); });
}

void add_speak_command(CLI::App& program, Arguments& arguments) {
  auto* speak = program.add_subcommand("speak", "Say a text in the voice of a recording");
  add_speak_options(*speak, arguments.speak);
  speak->add_option("--device", arguments.device, "auto, cpu or cuda:N");
  speak->add_option("--threads", arguments.threads, "CPU threads (default: all cores)")
      ->check(CLI::Range(1, 1024));
  speak
      ->add_option("--precision", arguments.precision,
                   "Of the language model (default: float16 on a GPU, else float32)")
      ->check(CLI::IsMember({"auto", "float32", "float16", "bfloat16"}));
  speak
      ->add_option("--search-dir", arguments.search_dirs,
                   "Where else to look for the model's files; repeatable")
      ->allow_extra_args(false);
}

void add_checkpoint_commands(CLI::App& program, Arguments& arguments) {
  auto* estimate = program.add_subcommand("estimate", "Say what models need, from their headers alone");
  estimate->add_option("PATH", arguments.estimate.paths, "Models, their folders, or checkpoint files")
      ->required();
  estimate->add_option("--dtype", arguments.dtype, "Of the weights on the device (default float32)")
      ->check(check_float_type);
  estimate->add_flag("--json", arguments.json, "As JSON");
  auto* inspect =
      program.add_subcommand("inspect", "List what a checkpoint file holds, running none of its code");
  inspect->add_option("FILE", arguments.file, "A .pt, .pth, .safetensors, or an index of shards")->required();
  inspect->add_flag("--json", arguments.json, "As JSON");
  inspect->add_flag("--verify", arguments.verify, "Read all of it and compare it with its checksums");
  auto* convert =
      program.add_subcommand("convert-checkpoint", "Save a checkpoint as safetensors, free of pickled code");
  auto& options = arguments.convert_checkpoint;
  convert->add_option("IN", options.input, "A checkpoint of any format that inspect reads")->required();
  convert->add_option("OUT", options.output, "Where to write: .safetensors")->required();
  convert->add_option("--dtype", arguments.dtype, "Of the floating-point tensors (default: as they are)")
      ->check(check_float_type);
  convert->add_flag("--skip-unsupported", options.skip_unsupported,
                    "Leave out what safetensors cannot hold, instead of failing");
  convert->add_flag("--force", options.force, "Overwrite an existing file");
}

void add_language(CLI::App& command, std::string& language) {
  command.add_option("--lang", language, "en or zh (default: what LANG says)")
      ->check(CLI::IsMember({"en", "zh"}));
}

void add_watching_commands(CLI::App& program, Arguments& arguments) {
  const CLI::Range interval(0.1, 3600.0);
  auto* gpu = program.add_subcommand("gpu", "Show the devices, their memory and who uses it");
  gpu->add_flag("--json", arguments.json, "As JSON");
  gpu->add_flag("--watch,-w", arguments.gpu.watch, "Again and again, until Ctrl-C");
  gpu->add_option("--interval", arguments.gpu.interval_seconds, "Seconds between two looks")
      ->capture_default_str()
      ->check(interval);
  add_language(*gpu, arguments.gpu.language);
  auto* check =
      program.add_subcommand("check", "Say what is there, what is missing, and what to do about it");
  check->add_option("MODEL", arguments.check.models, "Models to look at, beside those that are registered");
  add_language(*check, arguments.check.language);
  auto* top = program.add_subcommand("top", "Devices and models on a screen that keeps up; q quits");
  top->add_option("--interval", arguments.top.interval_seconds, "Seconds between two screens")
      ->capture_default_str()
      ->check(interval);
  top->add_option("--count,-n", arguments.top.count, "End after so many screens")
      ->check(CLI::NonNegativeNumber);
  add_language(*top, arguments.top.language);
}

void add_manager_commands(CLI::App& program, Arguments& arguments) {
  auto* plan = program.add_subcommand("plan", "Say what loading would do, without doing it");
  plan->add_option("--load,--model,-m", arguments.plan.models,
                   "Models to load together, by path or registered id; repeatable");
  plan->add_option("--task", arguments.plan.task, "A task, with what it requires");
  plan->add_option("--convert", arguments.plan.input, "A recording to convert once they are loaded");
  plan->add_option("--speak", arguments.plan.text, "A text to speak once they are loaded");
  plan->add_option("--device", arguments.device, "auto, cpu or cuda:N");
  plan->add_flag("--json", arguments.json, "As JSON");
  auto& options = arguments.simulate;
  auto* simulate = program.add_subcommand(
      "simulate", "Replay a trace of requests with the real manager on simulated devices (docs/simulate.md)");
  simulate->add_option("TRACE", options.trace, "A file; - is standard input");
  simulate->add_option("--budget", arguments.budgets, "Devices and their sizes, e.g. cuda:0=4GiB; repeatable")
      ->allow_extra_args(false)
      ->check(check_budget);
  simulate->add_option("--policy", arguments.policy, "cost or lru (default: as configured)")
      ->check(CLI::IsMember({"cost", "lru"}));
  simulate->add_option("--host-tier", arguments.host_tier, "Host memory for images of weights, e.g. 8GiB");
  simulate->add_option("--lag", options.lag_ms, "Milliseconds until freed memory is reported free")
      ->check(CLI::Range(0, 60'000));
  simulate->add_option("--disk", options.disk_megabytes_per_second, "Speed of loads in MB/s")
      ->check(CLI::Range(0.001, 1e6));
  simulate->add_option("--decisions", options.decisions, "Show the latest so many decisions");
  simulate->add_option("--generate", arguments.generate, "Write a trace instead: zipf, day-night or scan")
      ->check(CLI::IsMember({"zipf", "day-night", "scan"}));
  simulate->add_option("--voices", options.recipe.voices, "Of a generated trace")
      ->check(CLI::Range(1, 100'000));
  simulate->add_option("--requests", options.recipe.requests, "Of a generated trace")
      ->check(CLI::Range(0, 10'000'000));
  simulate->add_option("--seed", options.recipe.seed, "Of a generated trace");
  simulate->add_flag("--json", arguments.json, "As JSON");
}

void add_server_options(CLI::App& program, Arguments& arguments) {
  program.add_option("--host", arguments.host, "Address to serve on (default 127.0.0.1)");
  program.add_option("--port", arguments.port, "Port to serve on (default 7860; 0: any free one)")
      ->check(CLI::Range(0, 65535));
  program.add_option("--api-key", arguments.api_key,
                     "What clients of the server must send; better in GREENROOM_API_KEY, where other users "
                     "cannot read it");
  program.add_flag("--no-auth", arguments.no_auth, "Let other machines in without a key");
  program
      .add_option("--allowed-host", arguments.allowed_hosts, "Another name the server answers to; repeatable")
      ->allow_extra_args(false);
  program
      .add_option("--model-root", arguments.model_roots, "Folder the server may take models from; repeatable")
      ->allow_extra_args(false);
}

void describe(CLI::App& program, Arguments& arguments) {
  program.set_version_flag("--version", fmt::format("greenroom {}", kVersion));
  program.add_option("--config", arguments.config_file, "Configuration file (YAML)");
  program.add_option("--log-level", arguments.log_level, "DEBUG, INFO, WARNING or ERROR")
      ->check(check_log_level);
  program
      .add_option("--memory-budget", arguments.budgets,
                  "How much of a device may be used, e.g. cpu=2GiB; repeatable")
      ->take_all()
      ->allow_extra_args(false)  // what follows its value is another argument
      ->check(check_budget);
  program.add_option("--pretrain-dir", arguments.pretrain_dir,
                     "Folder with DDSP-SVC's encoder, pitch and vocoder files");
  add_server_options(program, arguments);
  program.require_subcommand(0, 1);
  program.fallthrough();
  program.add_subcommand("serve", "Serve over HTTP (the default)");
  program.add_subcommand("worker", "")
      ->group("")  // not for people
      ->add_option("--device", arguments.device);
  add_convert_options(*program.add_subcommand("convert", "Convert a recording to another voice"), arguments);
  add_speak_command(program, arguments);
  add_checkpoint_commands(program, arguments);
  add_manager_commands(program, arguments);
  auto* demo = program.add_subcommand("demo-models", "Write small made-up models to try things out with");
  demo->add_option("DIR", arguments.folder, "Where to write them")->required();
  demo->add_flag("--real", arguments.real, "At the size of published models, about 11 GB");
  add_watching_commands(program, arguments);
  add_daemon_commands(program, arguments.daemon);
}

// Once more from the beginning, with the environment as it is now. Comes back only if the system refuses.
void start_anew(char** argv) {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) ::execv(program.c_str(), argv);
}

int run(int argc, char** argv) {
  const bool threads_would_spin = app::prepare_thread_pool();
  devices::prefer_bus_order();
  CLI::App program("greenroom keeps voice models ready on a GPU: loads, shares, evicts and serves them.",
                   "greenroom");
  Arguments arguments;
  describe(program, arguments);
  try {
    program.parse(argc, argv);
    const bool runs_models = program.got_subcommand("convert") || program.got_subcommand("speak") ||
                             program.got_subcommand("serve");
    if (threads_would_spin && runs_models) start_anew(argv);
    return dispatch(program, arguments);
  } catch (const CLI::ParseError& error) {
    return program.exit(error, std::cout, std::cerr) == 0 ? 0 : kUsage;
  } catch (const Error& error) {
    fmt::print(stderr, "greenroom: {}\n", error.what());
    return error.code() == ErrorCode::kCancelled ? kInterrupted : kFailure;
  }
}

}  // namespace
}  // namespace greenroom::cli

int main(int argc, char** argv) {
  try {
    return greenroom::cli::run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("greenroom: the system has no memory left; use a shorter recording or close other programs\n",
               stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "greenroom: %s\n", error.what());
  }
  return greenroom::cli::kFailure;
}
