// Is told when a device gets full, and frees what is idle then.
//
//   alerts [CONFIG.yaml]     gpu.alert_warning_percent, alert_critical_percent, alert_host_warning_percent
//   ...
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "greenroom/init.h"
#include "greenroom/memory_monitor.h"

int main(int argc, char** argv) {
  greenroom::InitOptions options;
  if (argc > 1) options.config_file = argv[1];
  options.auto_management =
      false;  // first the callback, then the monitoring: what is full already is told once
  if (!greenroom::initialize_gpu_management(options)) {
    std::fprintf(stderr, "%s\n", greenroom::gpu_management_status().problem.c_str());
    return 1;
  }
  std::mutex mutex;
  std::condition_variable changed;
  int alerts = 0;
  auto& monitor = greenroom::get_memory_monitor();
  const int callback = monitor.add_alert_callback([&](const greenroom::MemoryAlert& alert) {
    std::printf("%s: %s is at %.0f %%, above %.0f %%\n", alert.alert_type.c_str(), alert.device.c_str(),
                alert.memory_usage, alert.threshold);
    greenroom::get_model_manager().optimize_memory();
    const std::lock_guard lock(mutex);
    ++alerts;
    changed.notify_all();
  });
  monitor.start_monitoring();
  {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, std::chrono::seconds(20), [&] { return alerts > 0; });
    std::printf("%s\n", alerts > 0 ? "there were alerts" : "all was calm for 20 seconds");
  }
  monitor.remove_alert_callback(callback);
  greenroom::shutdown_gpu_management();
}
