#include "greenroom/gpu_utils.h"

#include <algorithm>

#include "api/process.h"
#include "api/translate.h"
#include "audio/file.h"
#include "greenroom/audio.h"

namespace greenroom {
namespace {

using api::at_border;
using api::Process;

std::shared_ptr<app::Engine> engine() {
  return Process::instance().engine();
}

// What would be free once everything idle was gone.
std::uint64_t obtainable(const app::DeviceStatus& device) {
  std::uint64_t idle = 0;
  for (const auto& component : device.components) {
    const bool is_idle = component.state == core::ComponentState::kResident && component.holders.empty() &&
                         component.leases == 0;
    if (is_idle) idle += component.bytes;
  }
  const auto budget = device.ledger.free() + idle;
  return device.problem.empty() ? std::min(budget, device.memory.free + idle) : budget;
}

}  // namespace

std::string GPUUtils::get_optimal_device() {
  return at_border([] { return base::to_string(engine()->pick_device("auto")); });
}

bool GPUUtils::check_memory_requirement(std::uint64_t mb, const std::string& device) {
  return at_border([&] {
    const auto running = engine();
    const auto wanted = running->pick_device(device);
    constexpr int kMebi = 20;
    constexpr std::uint64_t kMost = ~std::uint64_t{0} >> kMebi;
    for (const auto& one : running->status().devices) {
      if (one.id == wanted) return mb <= kMost && (mb << kMebi) <= obtainable(one);
    }
    return false;
  });
}

std::uint64_t GPUUtils::estimate_model_memory(const std::filesystem::path& path) {
  return at_border([&] { return engine()->estimate_bytes(path); });
}

std::vector<GPUInfo> GPUUtils::get_all_gpu_info() {
  return at_border([] {
    std::vector<GPUInfo> gpus;
    const auto running = engine();
    for (const auto& device : running->devices()) {
      if (device->id().kind == base::DeviceKind::kCpu) continue;
      GPUInfo info{.device = base::to_string(device->id()), .name = device->name(), .uuid = device->uuid()};
      try {
        const auto memory = device->memory();
        info.total_bytes = memory.total;
        info.free_bytes = memory.free;
        const auto telemetry = device->telemetry();
        info.utilisation_percent = telemetry.utilisation_percent;
        info.temperature_celsius = telemetry.temperature_celsius;
      } catch (const base::Error& error) {
        info.problem = error.what();
      }
      gpus.push_back(std::move(info));
    }
    return gpus;
  });
}

SystemMemoryInfo GPUUtils::get_system_memory_info() {
  return at_border([] {
    const auto memory = engine()->devices().front()->memory();
    constexpr double kPercent = 100;
    const double share =
        memory.total > 0 ? static_cast<double>(memory.used()) / static_cast<double>(memory.total) : 0;
    return SystemMemoryInfo{memory.total, memory.free, kPercent * share};
  });
}

Audio read_audio(const std::filesystem::path& path) {
  return at_border([&] {
    auto buffer = audio::read_file(path);
    return Audio{std::move(buffer.samples), buffer.sample_rate};
  });
}

void write_audio(const std::filesystem::path& path, const Audio& audio) {
  at_border([&] { audio::write_file(path, {audio.samples, audio.sample_rate}); });
}

}  // namespace greenroom
