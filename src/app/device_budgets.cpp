#include "app/device_budgets.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/log.h"

namespace greenroom::app {
namespace {

constexpr double kPercent = 100;

// Memory of this process that is neither a file's nor shared; 0 where the system does not tell.
std::uint64_t anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  constexpr std::string_view kKey = "RssAnon:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kKey)) return std::stoull(line.substr(kKey.size())) * 1024;
  }
  return 0;
}

// Weights on the CPU are views of mapped files, which the kernel counts as available; what is ours beyond
// that is what our anonymous memory grew by since now.
core::InProcessHost::Hooks host_memory_hooks(const devices::Device& device) {
  const std::uint64_t at_start = anonymous_bytes();
  return {.read = [&device, at_start]() -> std::optional<core::DeviceReading> {
    // In this order: an allocation in between then counts as ours too late, not twice.
    const std::uint64_t now = anonymous_bytes();
    const auto memory = device.memory();
    const std::uint64_t ours = std::min(now, anonymous_bytes());
    return core::DeviceReading{memory.total, memory.free, ours > at_start ? ours - at_start : 0, false};
  }};
}

// What is ours the manager knows itself.
core::InProcessHost::Hooks gpu_hooks(const devices::Device& device) {
  return {.read = [&device]() -> std::optional<core::DeviceReading> {
    const auto memory = device.memory();
    return core::DeviceReading{memory.total, memory.free, std::nullopt, false};
  }};
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

std::vector<core::DeviceBudget> make_budgets(const Config& config, const devices::Discovery& discovery) {
  std::vector<core::DeviceBudget> budgets;
  for (const auto& device : discovery.devices) {
    const auto set = config.memory_budgets.find(device->id());
    const bool is_cpu = device->id().kind == base::DeviceKind::kCpu;
    core::DeviceBudget budget{device->id()};
    budget.bytes = set != config.memory_budgets.end() ? set->second : total_bytes(*device);
    budget.max_usage_share = config.max_memory_usage_percent / kPercent;
    budget.host =
        std::make_shared<core::InProcessHost>(is_cpu ? host_memory_hooks(*device) : gpu_hooks(*device));
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

core::ManagerOptions make_manager_options(const Config& config) {
  core::ManagerOptions options;
  options.policy = config.eviction_policy;
  options.min_residence = std::chrono::seconds(config.min_residence_seconds);
  return options;
}

}  // namespace greenroom::app
