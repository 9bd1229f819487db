#include "app/monitoring.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace greenroom::app {
namespace {

constexpr const char* kFile = "telemetry.db";

std::chrono::nanoseconds to_nanoseconds(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
}

monitor::MemoryMonitor::Options to_options(const MonitoringSettings& settings) {
  monitor::MemoryMonitor::Options options;
  options.interval = to_nanoseconds(settings.interval_seconds);
  options.patience = to_nanoseconds(settings.patience_seconds);
  options.alerts.device_memory_percent = {settings.warning_percent, settings.critical_percent};
  options.alerts.host_memory_percent = {settings.host_warning_percent, settings.host_critical_percent};
  options.alerts.memory_hysteresis_percent = settings.hysteresis_percent;
  options.alerts.cooldown = to_nanoseconds(settings.cooldown_seconds);
  return options;
}

}  // namespace

Monitoring::Monitoring(std::vector<std::shared_ptr<const devices::Device>> devices, const base::Clock& clock,
                       const MonitoringSettings& settings, const std::filesystem::path& cache_dir,
                       Hooks hooks)
    : devices_(std::move(devices)),
      clock_(clock),
      settings_(settings),
      cache_dir_(cache_dir),
      hooks_(std::move(hooks)),
      monitor_(std::make_unique<monitor::MemoryMonitor>(devices_, clock, to_options(settings))) {}

// Its callbacks end before what they use.
Monitoring::~Monitoring() = default;

void Monitoring::add_hooks() {
  if (hooks_.alert) monitor_->add_alert_callback(hooks_.alert);
}

void Monitoring::open_history() {
  MinuteStore::Names names;
  for (const auto& device : devices_) {
    names[device->id()] = device->uuid().empty() ? base::to_string(device->id()) : device->uuid();
  }
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
      (clock_.wall_now() - monitor::History::kWhole).time_since_epoch());
  try {
    std::error_code ignored;  // opening the file will say so
    std::filesystem::create_directories(cache_dir_, ignored);
    minutes_ = std::make_unique<MinuteStore>(cache_dir_ / kFile, std::move(names));
    monitor_->restore_history(minutes_->read(since.count()));
  } catch (const base::Error& error) {
    minutes_.reset();
    base::log(base::LogLevel::kWarning, "app",
              fmt::format("{}; the history of the devices is kept in memory only", error.what()));
    return;
  }
  monitor_->add_minutes_callback(
      [this](const std::vector<monitor::HistoryPoint>& minutes) { minutes_->append(minutes); });
}

void Monitoring::start() {
  {
    base::MutexLock lock(mutex_);
    if (!std::exchange(prepared_, true)) {
      if (settings_.keep_history && !cache_dir_.empty()) open_history();
      add_hooks();
    }
  }
  monitor_->start_monitoring();
}

void Monitoring::set_thresholds(const MonitoringSettings& settings) {
  monitor_->set_alert_options(to_options(settings).alerts);
}

std::optional<monitor::Sample> Monitoring::latest() const {
  if (!monitor_->is_monitoring()) return std::nullopt;
  return monitor_->newest();
}

std::optional<monitor::Sample> Monitoring::recent() const {
  constexpr auto kLongestWait = std::chrono::milliseconds(500);
  if (monitor_->is_monitoring()) return monitor_->newest();
  return monitor_->sample_within(monitor_->interval(), kLongestWait);
}

}  // namespace greenroom::app
