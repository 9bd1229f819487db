#include "app/caretaker.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace greenroom::app {
namespace {

constexpr double kPercent = 100;

// Bytes above `threshold_percent` of `total`.
std::uint64_t excess(std::uint64_t used, std::uint64_t total, double threshold_percent) {
  const auto allowed = static_cast<std::uint64_t>(static_cast<double>(total) * threshold_percent / kPercent);
  return used > allowed ? used - allowed : 0;
}

}  // namespace

Caretaker::Caretaker(core::Manager& manager, const base::Clock& clock, std::function<MemoryReadings()> read,
                     std::function<GpuSettings()> settings)
    : manager_(manager), clock_(clock), read_(std::move(read)), settings_(std::move(settings)) {}

std::uint64_t Caretaker::look() {
  const auto settings = settings_();
  if (!settings.auto_cleanup_enabled) return 0;
  const auto swept = manager_.sweep(std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double, std::ratio<60>>(settings.idle_timeout_minutes)));
  return swept + relieve_pressure(settings.cleanup_threshold_percent);
}

std::uint64_t Caretaker::relieve_pressure(double threshold_percent) {
  std::uint64_t relieved = 0;
  const MemoryReadings readings = read_();
  const bool is_news = readings.at > relieved_at_.load();
  for (const auto& ours : manager_.memory()) {
    std::uint64_t wanted = excess(ours.totals.used(), ours.totals.capacity, threshold_percent);
    const auto reading = readings.memory.find(ours.device);
    if (is_news && reading != readings.memory.end()) {
      wanted = std::max(wanted, excess(reading->second.used(), reading->second.total, threshold_percent));
    }
    if (wanted == 0) continue;
    relieved += manager_.relieve(
        ours.device, wanted,
        fmt::format("{} is more than {:.0f} % full", base::to_string(ours.device), threshold_percent));
  }
  if (relieved > 0) relieved_at_.store(clock_.now());
  return relieved;
}

}  // namespace greenroom::app
