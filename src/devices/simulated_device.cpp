#include "devices/simulated_device.h"

#include <utility>

#include "base/error.h"

namespace greenroom::devices {

SimulatedDevice::SimulatedDevice(base::DeviceId id, DeviceMemory memory, std::string name)
    : id_(id), name_(std::move(name)), memory_(memory) {}

DeviceMemory SimulatedDevice::memory() const {
  base::MutexLock lock(mutex_);
  throw_if_lost();
  return memory_;
}

Telemetry SimulatedDevice::telemetry() const {
  base::MutexLock lock(mutex_);
  throw_if_lost();
  return telemetry_;
}

void SimulatedDevice::set_memory(DeviceMemory memory) {
  base::MutexLock lock(mutex_);
  memory_ = memory;
}

void SimulatedDevice::set_telemetry(Telemetry telemetry) {
  base::MutexLock lock(mutex_);
  telemetry_ = telemetry;
}

void SimulatedDevice::set_lost(bool lost) {
  base::MutexLock lock(mutex_);
  lost_ = lost;
}

void SimulatedDevice::throw_if_lost() const {
  if (lost_) throw base::Error(base::ErrorCode::kUnavailable, base::to_string(id_) + ": the device is lost");
}

}  // namespace greenroom::devices
