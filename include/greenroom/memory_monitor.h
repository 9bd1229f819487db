// Watching the memory of all devices: what it is now, what it was, and alerts.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "greenroom/error.h"

namespace greenroom {

// One device at one moment. A reading that the device does not offer is absent.
struct DeviceReading {
  std::string device;  // "cpu", "cuda:0"
  std::string name;
  std::uint64_t total_bytes = 0;  // 0 when it could not be read
  std::uint64_t used_bytes = 0;   // by all programs
  double usage_percent = 0;
  std::optional<int> utilisation_percent;
  std::optional<int> temperature_celsius;
  std::string problem;  // why something is absent; empty when nothing is
};

struct MemoryStatus {
  double timestamp = 0;  // seconds since 1970, UTC
  DeviceReading system_memory;
  std::vector<DeviceReading> gpu_memory;  // in CUDA's order
};

// One device at one moment, or in one minute (then `used_bytes` is the mean).
struct MemoryHistoryPoint {
  std::string device;
  double timestamp = 0;  // seconds since 1970, UTC; of a minute, its beginning
  bool is_minute = false;
  std::uint64_t total_bytes = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t used_min_bytes = 0;
  std::uint64_t used_max_bytes = 0;
};

struct MemoryAlert {
  double timestamp = 0;    // seconds since 1970, UTC
  std::string alert_type;  // "warning", "critical", "cleared"
  std::string rule;        // "memory", "thermal", "device": what it is about
  std::string device;
  std::string message;
  double memory_usage = 0;  // percent; of another rule than "memory": what it looks at
  double threshold = 0;     // that was crossed, in the same unit
};

using AlertCallback = std::function<void(const MemoryAlert&)>;

// There is one, get_memory_monitor(). Thread-safe; throws Error. A driver that hangs holds up nobody: its
// device is reported as not answering.
class MemoryMonitor {
 public:
  // Samples every gpu.memory_monitoring_interval seconds (2) in threads of its own. Both: false when it was
  // so already.
  bool start_monitoring();
  bool stop_monitoring();
  bool is_monitoring() const;

  // The newest sample while it monitors; else asks the devices, which may take a moment.
  MemoryStatus get_current_status() const;

  // Of the last `minutes` (up to a day): each minute of the last day, and each sample of the last ten
  // minutes. Device by device, ascending in time. Minutes of earlier runs are among them.
  std::vector<MemoryHistoryPoint> get_memory_history(int minutes) const;
  std::vector<MemoryAlert> get_recent_alerts(int minutes) const;

  // Each callback has a thread of its own: it may be slow, may throw, and may call anything in greenroom/. A
  // warning never holds back the critical alert of the same device. Returns a number that takes it off again,
  // which waits for a call in progress.
  int add_alert_callback(AlertCallback callback);
  void remove_alert_callback(int number);
};

MemoryMonitor& get_memory_monitor();

// The same as get_memory_monitor().start_monitoring().
bool start_global_monitoring();

}  // namespace greenroom
