// Watches the memory of all devices.
//
//   monitoring
#include <cstdio>

#include "greenroom/init.h"
#include "greenroom/memory_monitor.h"

namespace {

void print(const greenroom::DeviceReading& reading) {
  std::printf("%s (%s): %.1f of %.1f GiB in use, %.0f %%%s\n", reading.device.c_str(), reading.name.c_str(),
              static_cast<double>(reading.used_bytes) / (1 << 30),
              static_cast<double>(reading.total_bytes) / (1 << 30), reading.usage_percent,
              reading.problem.empty() ? "" : (" - " + reading.problem).c_str());
}

}  // namespace

int main() {
  try {
    greenroom::start_global_monitoring();
    auto& monitor = greenroom::get_memory_monitor();
    const auto status = monitor.get_current_status();
    print(status.system_memory);
    for (const auto& gpu : status.gpu_memory) print(gpu);
    std::printf("%zu GPUs; %zu readings in the last ten minutes\n", status.gpu_memory.size(),
                monitor.get_memory_history(10).size());
    monitor.stop_monitoring();
    std::printf("monitoring: %s\n", monitor.is_monitoring() ? "yes" : "no");
  } catch (const greenroom::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  greenroom::shutdown_gpu_management();
}
