#include "app/caretaker.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"

namespace greenroom::app {
namespace {

constexpr double kPercent = 100;

// Bytes above `threshold_percent` of `total`.
std::uint64_t excess(std::uint64_t used, std::uint64_t total, double threshold_percent) {
  const auto allowed = static_cast<std::uint64_t>(static_cast<double>(total) * threshold_percent / kPercent);
  return used > allowed ? used - allowed : 0;
}

}  // namespace

Caretaker::Caretaker(core::Manager& manager,
                     const std::vector<std::shared_ptr<const devices::Device>>& devices,
                     std::function<GpuSettings()> settings)
    : manager_(manager), devices_(devices), settings_(std::move(settings)) {}

std::uint64_t Caretaker::look() {
  const auto settings = settings_();
  if (!settings.auto_cleanup_enabled) return 0;
  const auto swept = manager_.sweep(std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double, std::ratio<60>>(settings.idle_timeout_minutes)));
  return swept + relieve_pressure(settings.cleanup_threshold_percent);
}

std::uint64_t Caretaker::relieve_pressure(double threshold_percent) {
  std::uint64_t relieved = 0;
  const auto memory = manager_.memory();
  for (const auto& device : devices_) {
    devices::DeviceMemory reading;
    try {
      reading = device->memory();
    } catch (const base::Error&) {  // a lost device: its ledger still counts
    }
    std::uint64_t wanted = excess(reading.used(), reading.total, threshold_percent);
    for (const auto& ours : memory) {
      if (ours.device != device->id()) continue;
      wanted = std::max(wanted, excess(ours.totals.used(), ours.totals.capacity, threshold_percent));
    }
    if (wanted == 0) continue;
    relieved += manager_.relieve(
        device->id(), wanted,
        fmt::format("{} is more than {:.0f} % full", base::to_string(device->id()), threshold_percent));
  }
  return relieved;
}

}  // namespace greenroom::app
