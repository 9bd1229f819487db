// Frees what is idle, in time and under pressure: the manager knows how, the caretaker knows when.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>

#include "app/gpu_settings.h"
#include "base/clock.h"
#include "core/manager.h"
#include "devices/device.h"

namespace greenroom::app {

// What the devices said of their memory, and when. A device that did not answer is missing.
struct MemoryReadings {
  base::Clock::TimePoint at;
  std::map<base::DeviceId, devices::DeviceMemory> memory;
};

// Thread-safe. A duty of core::AutoManagement; nothing is freed when auto_cleanup_enabled is off.
class Caretaker {
 public:
  // Borrows the manager and the clock. The functions are called at each look.
  Caretaker(core::Manager& manager, const base::Clock& clock, std::function<MemoryReadings()> read,
            std::function<GpuSettings()> settings);

  // One look: sweeps what was idle for too long, and where a device is fuller than the threshold (its own
  // reading or the ledger, whichever is higher) frees idle components at once, as far as it takes. A reading
  // from before the last relief does not know of it and is not acted on again. Returns the bytes given back.
  std::uint64_t look();

 private:
  std::uint64_t relieve_pressure(double threshold_percent);

  core::Manager& manager_;
  const base::Clock& clock_;
  const std::function<MemoryReadings()> read_;
  const std::function<GpuSettings()> settings_;
  std::atomic<base::Clock::TimePoint> relieved_at_{base::Clock::TimePoint::min()};
};

}  // namespace greenroom::app
