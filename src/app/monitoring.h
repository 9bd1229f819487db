// The monitor as the engine uses it: from its settings, with its history on disk, and with what follows from
// what it sees.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/minute_store.h"
#include "app/monitoring_settings.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "devices/device.h"
#include "monitor/memory_monitor.h"

namespace greenroom::app {

// Thread-safe.
class Monitoring {
 public:
  // Called from the monitor's delivery threads, never in the way of the sampling. May be empty.
  struct Hooks {
    std::function<void(const monitor::MemoryAlert&)> alert;
  };

  // Nothing is watched, and no thread and no file there, before start(). An empty `cache_dir` keeps the
  // history in memory only; so does a file that cannot be used, with a warning in the log. `clock` is
  // borrowed.
  Monitoring(std::vector<std::shared_ptr<const devices::Device>> devices, const base::Clock& clock,
             const MonitoringSettings& settings, const std::filesystem::path& cache_dir, Hooks hooks);
  ~Monitoring();
  Monitoring(const Monitoring&) = delete;
  Monitoring& operator=(const Monitoring&) = delete;

  // Does nothing when it runs already.
  void start() EXCLUDES_LOCK(mutex_);
  void stop() { monitor_->stop_monitoring(); }

  // Those of the alerts in `settings`; the rest of it stays as it was.
  void set_thresholds(const MonitoringSettings& settings);

  monitor::MemoryMonitor& monitor() { return *monitor_; }
  const MonitoringSettings& settings() const { return settings_; }
  // The newest sample when the monitor runs; nullopt when somebody has to ask the devices himself.
  std::optional<monitor::Sample> latest() const;
  // The same when the monitor runs; else a sample not older than its interval would be, asked for now if need
  // be. A driver that takes longer than half a second is not waited for: then it is the last there was.
  std::optional<monitor::Sample> recent() const;

 private:
  void open_history();
  void add_hooks();

  const std::vector<std::shared_ptr<const devices::Device>> devices_;
  const base::Clock& clock_;
  const MonitoringSettings settings_;
  const std::filesystem::path cache_dir_;
  const Hooks hooks_;
  base::Mutex mutex_;
  bool prepared_ GUARDED_BY(mutex_) = false;         // history and hooks are there
  std::unique_ptr<MinuteStore> minutes_;             // set once, before the monitor starts
  std::unique_ptr<monitor::MemoryMonitor> monitor_;  // last: its callbacks use the rest
};

}  // namespace greenroom::app
