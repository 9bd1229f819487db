#include "greenroom/memory_monitor.h"

#include <chrono>
#include <utility>

#include "api/process.h"
#include "api/translate.h"
#include "monitor/memory_monitor.h"

namespace greenroom {
namespace {

using api::at_border;
using api::Process;

constexpr double kMillisecondsPerSecond = 1000;

std::shared_ptr<app::Engine> engine() {
  return Process::instance().engine();
}

double seconds(base::Clock::WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

DeviceReading to_public(const monitor::Reading& reading) {
  DeviceReading result{.device = base::to_string(reading.device),
                       .name = reading.name,
                       .utilisation_percent = reading.telemetry.utilisation_percent,
                       .temperature_celsius = reading.telemetry.temperature_celsius,
                       .problem = reading.problem};
  if (reading.memory) {
    result.total_bytes = reading.memory->total;
    result.used_bytes = reading.memory->used();
  }
  result.usage_percent = reading.memory_percent().value_or(0);
  return result;
}

MemoryAlert to_public(const monitor::MemoryAlert& alert) {
  return {.timestamp = seconds(alert.timestamp),
          .alert_type = alert.alert_type,
          .rule = alert.rule,
          .device = alert.device,
          .message = alert.message,
          .memory_usage = alert.memory_usage,
          .threshold = alert.threshold};
}

}  // namespace

bool MemoryMonitor::start_monitoring() {
  return at_border([] {
    const auto running = engine();
    if (running->monitoring().monitor().is_monitoring()) return false;
    running->monitoring().start();
    return true;
  });
}

bool MemoryMonitor::stop_monitoring() {
  return at_border([] {
    const auto running = engine();
    if (!running->monitoring().monitor().is_monitoring()) return false;
    running->monitoring().stop();
    return true;
  });
}

bool MemoryMonitor::is_monitoring() const {
  return at_border([] { return engine()->monitoring().monitor().is_monitoring(); });
}

MemoryStatus MemoryMonitor::get_current_status() const {
  return at_border([] {
    const auto sample = engine()->monitoring().monitor().get_current_status();
    MemoryStatus status;
    status.timestamp = seconds(sample.time);
    for (const auto& reading : sample.readings) {
      if (reading.device.kind == base::DeviceKind::kCpu) {
        status.system_memory = to_public(reading);
      } else {
        status.gpu_memory.push_back(to_public(reading));
      }
    }
    return status;
  });
}

std::vector<MemoryHistoryPoint> MemoryMonitor::get_memory_history(int minutes) const {
  return at_border([&] {
    std::vector<MemoryHistoryPoint> points;
    for (const auto& point : engine()->monitoring().monitor().get_memory_history(minutes)) {
      points.push_back({.device = base::to_string(point.device),
                        .timestamp = static_cast<double>(point.time_ms) / kMillisecondsPerSecond,
                        .is_minute = point.is_minute,
                        .total_bytes = point.total,
                        .used_bytes = point.used,
                        .used_min_bytes = point.used_min,
                        .used_max_bytes = point.used_max});
    }
    return points;
  });
}

std::vector<MemoryAlert> MemoryMonitor::get_recent_alerts(int minutes) const {
  return at_border([&] {
    std::vector<MemoryAlert> alerts;
    for (const auto& alert : engine()->monitoring().monitor().get_recent_alerts(minutes)) {
      alerts.push_back(to_public(alert));
    }
    return alerts;
  });
}

int MemoryMonitor::add_alert_callback(AlertCallback callback) {
  return at_border([&] {
    return engine()->monitoring().monitor().add_alert_callback(
        [callback = std::move(callback)](const monitor::MemoryAlert& alert) { callback(to_public(alert)); });
  });
}

void MemoryMonitor::remove_alert_callback(int number) {
  at_border([&] { engine()->monitoring().monitor().remove_callback(number); });
}

MemoryMonitor& get_memory_monitor() {
  static MemoryMonitor monitor;  // holds nothing: the engine is Process's
  return monitor;
}

bool start_global_monitoring() {
  return get_memory_monitor().start_monitoring();
}

}  // namespace greenroom
