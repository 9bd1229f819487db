#include "app/engine.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "app/catalog.h"
#include "app/model_library.h"
#include "base/error.h"
#include "base/log.h"

namespace greenroom::app {
namespace {

using base::DeviceId;
using base::Error;
using base::ErrorCode;

// A device that was lost is a fact to report, not the end of everything else.
devices::DeviceMemory read_memory(const devices::Device& device, std::string& problem) {
  try {
    return device.memory();
  } catch (const Error& error) {
    problem = error.what();
    return {};
  }
}

std::vector<core::DeviceBudget> make_budgets(const Config& config, const devices::Discovery& discovery) {
  std::vector<core::DeviceBudget> budgets;
  for (const auto& device : discovery.devices) {
    const auto set = config.memory_budgets.find(device->id());
    std::string problem;
    const std::uint64_t bytes =
        set != config.memory_budgets.end() ? set->second : read_memory(*device, problem).free;
    if (!problem.empty()) base::log(base::LogLevel::kWarning, "app", problem);
    budgets.push_back({device->id(), bytes});
  }
  for (const auto& [id, bytes] : config.memory_budgets) {
    const auto same = [wanted = id](const core::DeviceBudget& budget) { return budget.device == wanted; };
    if (std::none_of(budgets.begin(), budgets.end(), same)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("a memory budget is set for {}, but this machine has no such device",
                              base::to_string(id)));
    }
  }
  return budgets;
}

}  // namespace

Engine::Engine(Config config)
    : config_(std::move(config)), started_(clock_.now()), discovery_(devices::discover()) {
  manager_ = std::make_unique<core::Manager>(make_budgets(config_, discovery_), clock_);
}

DeviceId Engine::pick_device(const std::string& name) const {
  const auto usable_gpus = [] { return model_library().cuda_device_count(); };
  if (name == "auto") {
    const bool has_gpu =
        std::any_of(discovery_.devices.begin(), discovery_.devices.end(),
                    [](const auto& device) { return device->id().kind == base::DeviceKind::kCuda; });
    return has_gpu && usable_gpus() > 0 ? DeviceId{base::DeviceKind::kCuda, 0} : DeviceId{};
  }
  const auto wanted = base::parse_device_id(name);
  if (!wanted)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the device \"{}\" is not auto, cpu or cuda:N", name));
  if (wanted->kind == base::DeviceKind::kCpu) return *wanted;
  const bool present = std::any_of(discovery_.devices.begin(), discovery_.devices.end(),
                                   [&](const auto& device) { return device->id() == *wanted; });
  if (!present) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("there is no device {}: {}", name,
                            discovery_.no_gpu_reason.empty() ? "this machine has fewer GPUs"
                                                             : discovery_.no_gpu_reason));
  }
  if (usable_gpus() <= wanted->index) {
    throw Error(
        ErrorCode::kFailedPrecondition,
        fmt::format("{} is there, but the libtorch this was built with ({}) cannot use it; build with "
                    "-DGREENROOM_TORCH=python and a PyTorch with CUDA, or use --device cpu",
                    name, model_library().torch_version()));
  }
  return *wanted;
}

std::string Engine::load_voice(const std::filesystem::path& path, const std::string& device) {
  auto description = describe_voice(path, config_.pretrain_dir);
  std::string id = std::filesystem::absolute(description.model_file).lexically_normal().string();
  if (config_.share_equal_files) {
    for (auto& component : description.components)
      component.file = equal_files_.representative(component.file);
  }
  const auto voice = make_voice(std::move(description));
  model_library().set_host_cache(host_cache_bytes());
  manager_->load(id, voice, pick_device(device));
  return id;
}

std::uint64_t Engine::host_cache_bytes() const {
  if (config_.host_cache_bytes) return *config_.host_cache_bytes;
  constexpr std::uint64_t kShare = 4;
  std::string problem;
  return read_memory(*discovery_.devices.front(), problem).total / kShare;
}

void Engine::unload(const std::string& model_id, bool force) {
  manager_->unload(model_id, force ? core::UnloadMode::kForce : core::UnloadMode::kFree);
}

models::ConvertResult Engine::convert(const std::string& model_id, const audio::Buffer& input,
                                      const models::ConvertOptions& options,
                                      const models::RunControl& control) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  model_library().set_threads(config_.threads > 0 ? config_.threads : cores);  // of the calling thread
  auto run = manager_->start_run(model_id);
  // load_voice() is the only one who loads, and conversion models are all it loads.
  const auto& voice = static_cast<const models::ConversionModel&>(run.model());
  return voice.convert(run, run.device(), input, options, control);
}

Status Engine::status() const {
  Status status;
  status.uptime_seconds = std::chrono::duration<double>(clock_.now() - started_).count();
  const auto memory = manager_->memory();
  for (const auto& device : discovery_.devices) {
    DeviceStatus entry{device->id(), device->name()};
    entry.memory = read_memory(*device, entry.problem);
    for (const auto& ours : memory) {
      if (ours.device != entry.id) continue;
      entry.ledger = ours.totals;
      entry.components = ours.components;
    }
    status.devices.push_back(std::move(entry));
  }
  status.models = manager_->list();
  return status;
}

}  // namespace greenroom::app
