// Models on a device through the manager: loading and coming back from host memory, leases, runs by stage,
// what goes back to the driver, and many loads and unloads. Made for a GPU; runs on the CPU, too.
//
//   greenroom_gpu_models_bench DEVICE FOLDER [--cycles N] [--seconds S] [--codes N] [--precision P] [--json
//   FILE]
//
// FOLDER: written by `greenroom demo-models [--real]`. Prints a table; writes the figures to FILE.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "core/manager.h"
#include "devices/discover.h"
#include "models/ddsp_svc/model.h"
#include "models/index_tts/model.h"
#include "nn/cuda_memory.h"
#include "nn/guard.h"

namespace greenroom {
namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
  base::DeviceId device;
  std::filesystem::path folder;
  int cycles = 1000;
  double seconds = 10;  // of the recording to convert
  int codes = 400;      // of each segment that is spoken: random weights never end one
  std::string precision = "float32";
  std::string json;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double seconds_of(const std::function<void()>& body) {
  const auto start = Clock::now();
  body();
  return seconds_since(start);
}

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

// Something like a voice: harmonics of a pitch that moves.
audio::Buffer recording(double seconds, int rate) {
  audio::Buffer buffer{{}, rate};
  double phase = 0;
  for (int i = 0; i < static_cast<int>(seconds * rate); ++i) {
    const double time = static_cast<double>(i) / rate;
    phase += (180 + 40 * std::sin(2 * std::numbers::pi * 0.7 * time)) / rate;
    double sample = 0;
    for (int k = 1; k <= 12; ++k) sample += std::sin(2 * std::numbers::pi * k * phase) / k;
    buffer.samples.push_back(static_cast<float>(0.2 * sample));
  }
  return buffer;
}

// Notes what each stage measured.
class Recorder final : public core::StageAccess {
 public:
  Recorder(core::StageAccess& access, const core::Model& model, std::map<std::string, std::uint64_t>& peaks)
      : access_(access), model_(model), peaks_(peaks) {}
  std::unique_ptr<core::PinnedStage> pin(std::size_t stage, const core::WorkspaceNeed& need) override {
    return std::make_unique<Pinned>(access_.pin(stage, need), peaks_[model_.stages().at(stage).name]);
  }

 private:
  class Pinned final : public core::PinnedStage {
   public:
    Pinned(std::unique_ptr<core::PinnedStage> inner, std::uint64_t& peak)
        : inner_(std::move(inner)), peak_(peak) {}
    core::LoadedComponent& component(std::size_t index) override { return inner_->component(index); }
    void measured(std::uint64_t bytes) override {
      peak_ = std::max(peak_, bytes);
      inner_->measured(bytes);
    }

   private:
    std::unique_ptr<core::PinnedStage> inner_;
    std::uint64_t& peak_;
  };
  core::StageAccess& access_;
  const core::Model& model_;
  std::map<std::string, std::uint64_t>& peaks_;
};

// What a run gave: how much audio and how long each of its stages took.
struct Ran {
  double audio_seconds = 0;
  std::vector<models::StageTime> times;
};
using RunModel = std::function<Ran(core::StageAccess&)>;

class Bench {
 public:
  explicit Bench(const Settings& settings) : settings_(settings), discovery_(devices::discover()) {
    for (const auto& device : discovery_.devices) {
      if (device->id() == settings.device) device_ = device;
    }
    if (!device_) {
      throw base::Error(base::ErrorCode::kNotFound,
                        fmt::format("this machine has no {}", base::to_string(settings.device)));
    }
    core::DeviceBudget budget{settings.device, device_->memory().total};
    if (is_gpu()) {
      budget.host = std::make_shared<core::InProcessHost>(core::InProcessHost::Hooks{
          .read = [this] { return read(); }, .drop_caches = nn::release_cached_device_memory});
    }
    core::ManagerOptions options;
    options.host_tier_bytes = discovery_.devices.front()->memory().total / 2;
    manager_ = std::make_unique<core::Manager>(std::vector{budget}, clock_, nullptr, options);
    figures_["device"] = {{"id", base::to_string(settings.device)},
                          {"name", device_->name()},
                          {"driver", discovery_.driver_version}};
  }

  void measure(const std::string& name, const std::shared_ptr<const core::Model>& model,
               const RunModel& run) {
    base::Json figures;
    const std::uint64_t before = used();
    const double cold = seconds_of([&] { manager_->load(name, model, settings_.device); });
    const std::uint64_t bytes = manager_->model_info(name)->bytes;
    fmt::print("\n{} ({})\n", name, base::format_bytes(bytes));
    row("load from disk", fmt::format("{:.2f} s, {:.2f} GB/s", cold, gigabytes(bytes) / cold));
    figures["bytes"] = bytes;
    figures["load_seconds"] = cold;
    lease(name, figures);
    runs(name, *model, run, figures);
    const std::uint64_t in_use = used();
    manager_->unload(name, core::UnloadMode::kForce);
    const std::uint64_t after = used();
    const std::uint64_t returned = in_use - std::min(in_use, after);
    const std::uint64_t left = after - std::min(after, before);
    row("the system has back after unload",
        fmt::format("{}, of {} of weights", base::format_bytes(returned), base::format_bytes(bytes)));
    row("more in use than before the load", fmt::format("{} (context, libraries)", base::format_bytes(left)));
    figures["returned_bytes"] = returned;
    figures["left_bytes"] = left;
    figures["allocator_held_bytes"] = held();
    const double warm = seconds_of([&] { manager_->load(name, model, settings_.device); });
    row("load again (host memory, page cache)",
        fmt::format("{:.3f} s, {:.2f} GB/s", warm, gigabytes(bytes) / warm));
    figures["reload_seconds"] = warm;
    manager_->unload(name, core::UnloadMode::kForce);
    figures_["models"][name] = figures;
  }

  void cycle(const std::string& name, const std::shared_ptr<const core::Model>& model) {
    const int settled = std::min(10, settings_.cycles);
    std::uint64_t at_first = 0;
    std::vector<double> times;
    for (int i = 0; i < settings_.cycles; ++i) {
      times.push_back(seconds_of([&] {
        manager_->load(name, model, settings_.device);
        manager_->unload(name, core::UnloadMode::kForce);
      }));
      if (i + 1 == settled) at_first = used();
    }
    const auto growth = static_cast<std::int64_t>(used()) - static_cast<std::int64_t>(at_first);
    const auto host = base::anonymous_bytes(::getpid());
    fmt::print("\n");
    row(fmt::format("{} loads and unloads of {}", settings_.cycles, name),
        fmt::format("p50 {:.1f} ms, p99 {:.1f} ms; in use {:+d} bytes, allocator {} bytes, host {}",
                    percentile(times, 0.5) * 1e3, percentile(times, 0.99) * 1e3, growth, held(),
                    base::format_bytes(host)));
    figures_["cycles"] = {
        {"count", settings_.cycles},    {"p50_seconds", percentile(times, 0.5)},
        {"growth_bytes", growth},       {"allocator_held_bytes", held()},
        {"host_anonymous_bytes", host}, {"claimed_bytes", manager_->memory().at(0).totals.used()}};
  }

  const base::Json& figures() const { return figures_; }

 private:
  bool is_gpu() const { return settings_.device.kind == base::DeviceKind::kCuda; }
  static double gigabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e9; }
  static void row(const std::string& what, const std::string& value) {
    fmt::print("  {:<44} {}\n", what, value);
    std::fflush(stdout);
  }

  std::uint64_t held() const { return is_gpu() ? nn::device_memory(settings_.device.index).held : 0; }
  // By the driver's word; on the CPU what this process has that is no file's.
  std::uint64_t used() const {
    return is_gpu() ? device_->memory().used() : base::anonymous_bytes(::getpid());
  }
  std::optional<core::DeviceReading> read() const {
    const auto heap = nn::device_memory(settings_.device.index);
    const auto memory = device_->memory();
    core::DeviceReading reading{memory.total, memory.free, heap.held, true};
    reading.stuck = heap.stuck;
    return reading;
  }

  void lease(const std::string& name, base::Json& figures) {
    constexpr int kLeases = 500;
    std::vector<double> pins, with_workspace;
    for (int i = 0; i < kLeases; ++i) {
      pins.push_back(seconds_of([&] { const auto lease = manager_->lease(name, 0); }));
      with_workspace.push_back(seconds_of([&] { const auto lease = manager_->lease(name, 0, 1 << 20); }));
    }
    row("lease on the resident model",
        fmt::format("p50 {:.1f} us, p99 {:.1f} us; with workspace p50 {:.1f} us, p99 {:.1f} us",
                    percentile(pins, 0.5) * 1e6, percentile(pins, 0.99) * 1e6,
                    percentile(with_workspace, 0.5) * 1e6, percentile(with_workspace, 0.99) * 1e6));
    figures["lease_p50_seconds"] = percentile(pins, 0.5);
    figures["lease_p99_seconds"] = percentile(pins, 0.99);
    figures["lease_with_workspace_p50_seconds"] = percentile(with_workspace, 0.5);
  }

  void runs(const std::string& name, const core::Model& model, const RunModel& run, base::Json& figures) {
    for (const std::string which : {"first", "second", "third"}) {
      std::map<std::string, std::uint64_t> peaks;
      auto running = manager_->start_run(name);
      Recorder recorder(running, model, peaks);
      Ran ran;
      const double seconds = seconds_of([&] { ran = run(recorder); });
      row(fmt::format("{} run, {:.1f} s of audio", which, ran.audio_seconds),
          fmt::format("{:.3f} s, RTF {:.4f}", seconds, seconds / ran.audio_seconds));
      base::Json& here = figures["runs"].emplace_back(base::Json::object());
      here["seconds"] = seconds;
      here["audio_seconds"] = ran.audio_seconds;
      here["rtf"] = seconds / ran.audio_seconds;
      for (const auto& [stage, took] : ran.times) here["stage_seconds"][stage] = took;
      for (const auto& [stage, bytes] : peaks) here["stage_workspace_bytes"][stage] = bytes;
      if (which != "third") continue;
      for (const auto& [stage, took] : ran.times) row("    " + stage, fmt::format("{:.3f} s", took));
      for (const auto& [stage, bytes] : peaks) row("    workspace of " + stage, base::format_bytes(bytes));
      row("    in use on the device, allocator's part",
          fmt::format("{}, {}", base::format_bytes(used()), base::format_bytes(held())));
      figures["in_use_bytes"] = used();
    }
  }

  const Settings settings_;
  const base::SystemClock clock_;
  const devices::Discovery discovery_;
  std::shared_ptr<const devices::Device> device_;
  std::unique_ptr<core::Manager> manager_;
  base::Json figures_ = base::Json::object();
};

Settings parse(int argc, char** argv) {
  if (argc < 3)
    throw std::invalid_argument(
        "usage: greenroom_gpu_models_bench DEVICE FOLDER [--cycles N] [--seconds S] "
        "[--codes N] [--precision float32|float16|bfloat16] [--json FILE]");
  Settings settings;
  const auto device = base::parse_device_id(argv[1]);
  if (!device) throw std::invalid_argument(fmt::format("{} is no device that models run on", argv[1]));
  settings.device = *device;
  settings.folder = argv[2];
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const char* value = argv[i + 1];
    if (option == "--cycles") settings.cycles = std::max(1, std::atoi(value));
    if (option == "--seconds") settings.seconds = std::atof(value);
    if (option == "--codes") settings.codes = std::atoi(value);
    if (option == "--precision") settings.precision = value;
    if (option == "--json") settings.json = value;
  }
  return settings;
}

checkpoint::DType dtype_of(const std::string& precision) {
  if (precision == "float32") return checkpoint::DType::kFloat32;
  if (precision == "float16") return checkpoint::DType::kFloat16;
  if (precision == "bfloat16") return checkpoint::DType::kBFloat16;
  throw std::invalid_argument(precision + " is none of float32, float16, bfloat16");
}

void run(const Settings& settings) {
  nn::WorkspaceMeter::install();
  Bench bench(settings);
  const auto voice = models::ddsp_svc::make_model(
      models::ddsp_svc::describe(settings.folder / "alto", settings.folder / "pretrain"));
  const auto input = recording(settings.seconds, 44100);
  bench.measure("DDSP-SVC", voice, [&](core::StageAccess& access) {
    const auto result = voice->convert(access, settings.device, input, {}, {});
    return Ran{result.audio.seconds(), result.stage_times};
  });
  bench.cycle("DDSP-SVC", voice);
  models::index_tts::DescribeOptions describing;
  describing.precision = {dtype_of(settings.precision), dtype_of(settings.precision)};
  const auto speech = models::index_tts::make_model(
      models::index_tts::describe(settings.folder / "index_tts", describing), {});
  models::SpeakRequest request;
  request.text = "The green room is where performers wait, ready to go on.";
  request.voice = recording(5, 22050);
  models::SpeakOptions options;
  options.max_mel_tokens = settings.codes;
  bench.measure("IndexTTS-2", speech, [&](core::StageAccess& access) {
    const auto result = speech->speak(access, settings.device, request, options, {});
    return Ran{result.audio.seconds(), result.stage_times};
  });
  if (!settings.json.empty()) std::ofstream(settings.json) << bench.figures().dump(2) << '\n';
}

}  // namespace
}  // namespace greenroom

int main(int argc, char** argv) {
  try {
    greenroom::run(greenroom::parse(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "greenroom_gpu_models_bench: {}\n", error.what());
    return 1;
  }
}
