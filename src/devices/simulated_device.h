// A device that reports what it is told to: for tests, demonstrations and rehearsals without the hardware.
#pragma once

#include <string>

#include "base/mutex.h"
#include "devices/device.h"

namespace greenroom::devices {

// Thread-safe.
class SimulatedDevice final : public Device {
 public:
  SimulatedDevice(base::DeviceId id, DeviceMemory memory, std::string name = "simulated device");

  base::DeviceId id() const override { return id_; }
  std::string name() const override { return name_; }
  DeviceMemory memory() const override;
  Telemetry telemetry() const override;

  void set_memory(DeviceMemory memory);
  void set_telemetry(Telemetry telemetry);
  // A lost device: readings throw base::Error(kUnavailable) until it is back.
  void set_lost(bool lost);

 private:
  void throw_if_lost() const REQUIRES_LOCK(mutex_);

  const base::DeviceId id_;
  const std::string name_;
  mutable base::Mutex mutex_;
  DeviceMemory memory_ GUARDED_BY(mutex_);
  Telemetry telemetry_ GUARDED_BY(mutex_);
  bool lost_ GUARDED_BY(mutex_) = false;
};

}  // namespace greenroom::devices
