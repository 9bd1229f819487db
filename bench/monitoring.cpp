// What watching costs: processor time of a sample with eight GPUs, and the bytes of a day of history.
//
//   GREENROOM_NVML_LIBRARY=.../libnvidia-ml.so.1 GREENROOM_NVML_SCENARIO=... greenroom_monitoring_bench
//   [SAMPLES]
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "devices/discover.h"
#include "monitor/memory_monitor.h"

namespace {

double cpu_microseconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto one = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return one(usage.ru_utime) + one(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  const int samples = argc > 1 ? std::atoi(argv[1]) : 2000;
  const auto discovery = greenroom::devices::discover();
  const greenroom::base::SystemClock clock;
  greenroom::monitor::MemoryMonitor monitor(discovery.devices, clock);
  monitor.sample();
  const double before = cpu_microseconds();
  for (int i = 0; i < samples; ++i) monitor.sample();
  const double each = (cpu_microseconds() - before) / samples;
  const auto devices = discovery.devices.size();
  std::printf("%zu devices, %d samples: %.0f us of processor time each (at 2 s: %.4f %% of a core)\n",
              devices, samples, each, each / 2e6 * 100);
  std::printf("a day of history: %zu bytes, %zu a device\n", monitor.history_bytes(),
              monitor.history_bytes() / devices);
  return 0;
}
