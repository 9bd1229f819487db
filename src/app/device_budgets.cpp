#include "app/device_budgets.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>

#include "app/gpu_reading.h"
#include "base/error.h"
#include "base/log.h"
#include "base/process.h"

namespace greenroom::app {
namespace {

constexpr double kPercent = 100;

// Weights on the CPU are views of mapped files, which the kernel counts as available; what is ours beyond
// that is what our anonymous memory grew by since now.
core::InProcessHost::Hooks host_memory_hooks(const devices::Device& device, const ModelRuntime& runtime) {
  const std::uint64_t at_start = base::anonymous_bytes(::getpid());
  return {
      .read = [&device, &runtime, at_start]() -> std::optional<core::DeviceReading> {
        // In this order: an allocation in between then counts as ours too late, not twice.
        const auto in_use = [&] { return base::anonymous_bytes(::getpid()) + runtime.worker_bytes(); };
        const std::uint64_t now = in_use();
        const auto memory = device.memory();
        const std::uint64_t ours = std::min(now, in_use());
        return core::DeviceReading{memory.total, memory.free, ours > at_start ? ours - at_start : 0, false};
      },
      .drop_caches =
          [&runtime] {
            if (const auto* library = runtime.opened()) library->release_device_memory();
          }};
}

// Until a model was loaded, nothing on a GPU is ours. From then on libtorch's allocator knows what is, and
// the driver what the CUDA context costs beside it.
core::InProcessHost::Hooks cuda_hooks(const devices::Device& device, const ModelRuntime& runtime,
                                      const base::Clock& clock) {
  return {.read = [&device, &runtime, context = std::make_shared<ContextCost>(clock)]()
              -> std::optional<core::DeviceReading> { return read_gpu(device, runtime.opened(), *context); },
          .drop_caches =
              [&runtime] {
                if (const auto* library = runtime.opened()) library->release_device_memory();
              }};
}

// Models cannot use such a device yet: what is ours the manager knows itself.
core::InProcessHost::Hooks other_gpu_hooks(const devices::Device& device) {
  return {.read = [&device]() -> std::optional<core::DeviceReading> {
    const auto memory = device.memory();
    return core::DeviceReading{memory.total, memory.free, std::nullopt, false};
  }};
}

core::InProcessHost::Hooks hooks_of(const devices::Device& device, const ModelRuntime& runtime,
                                    const base::Clock& clock) {
  switch (device.id().kind) {
    case base::DeviceKind::kCpu:
      return host_memory_hooks(device, runtime);
    case base::DeviceKind::kCuda:
      return cuda_hooks(device, runtime, clock);
    default:
      return other_gpu_hooks(device);
  }
}

std::uint64_t total_bytes(const devices::Device& device) {
  try {
    return device.memory().total;
  } catch (const base::Error& error) {  // a lost device is a fact to report, not the end of everything else
    base::log(base::LogLevel::kWarning, "app", error.what());
    return 0;
  }
}

}  // namespace

std::vector<core::DeviceBudget> make_budgets(const Config& config, const devices::Discovery& discovery,
                                             const ModelRuntime& runtime, const base::Clock& clock) {
  std::vector<core::DeviceBudget> budgets;
  for (const auto& device : discovery.devices) {
    const auto set = config.memory_budgets.find(device->id());
    core::DeviceBudget budget{device->id()};
    budget.bytes = set != config.memory_budgets.end() ? set->second : total_bytes(*device);
    budget.max_usage_share = config.max_memory_usage_percent / kPercent;
    budget.host = std::make_shared<core::InProcessHost>(hooks_of(*device, runtime, clock));
    budgets.push_back(std::move(budget));
  }
  for (const auto& [id, bytes] : config.memory_budgets) {
    const auto same = [wanted = id](const core::DeviceBudget& budget) { return budget.device == wanted; };
    if (std::none_of(budgets.begin(), budgets.end(), same)) {
      throw base::Error(base::ErrorCode::kInvalidArgument,
                        fmt::format("a memory budget is set for {}, but this machine has no such device",
                                    base::to_string(id)));
    }
  }
  return budgets;
}

core::ManagerOptions make_manager_options(const Config& config, const devices::Device& host) {
  constexpr std::uint64_t kImagesShare = 4;
  core::ManagerOptions options;
  options.host_tier_bytes = config.host_cache_bytes.value_or(total_bytes(host) / kImagesShare);
  options.policy = config.eviction_policy;
  options.min_residence = std::chrono::seconds(config.min_residence_seconds);
  return options;
}

}  // namespace greenroom::app
