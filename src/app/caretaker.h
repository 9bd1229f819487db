// Frees what is idle, in time and under pressure: the manager knows how, the caretaker knows when.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "app/gpu_settings.h"
#include "core/manager.h"
#include "devices/device.h"

namespace greenroom::app {

// Thread-safe. A duty of core::AutoManagement; nothing is freed when auto_cleanup_enabled is off.
class Caretaker {
 public:
  // Borrows the manager and the devices. `settings` is asked at each look.
  Caretaker(core::Manager& manager, const std::vector<std::shared_ptr<const devices::Device>>& devices,
            std::function<GpuSettings()> settings);

  // One look: sweeps what was idle for too long, and where a device is fuller than the threshold (its own
  // reading or the ledger, whichever is higher) frees idle components at once, as far as it takes. Returns
  // the bytes given back.
  std::uint64_t look();

 private:
  std::uint64_t relieve_pressure(double threshold_percent);

  core::Manager& manager_;
  const std::vector<std::shared_ptr<const devices::Device>>& devices_;
  const std::function<GpuSettings()> settings_;
};

}  // namespace greenroom::app
