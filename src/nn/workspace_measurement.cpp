#include "nn/workspace_measurement.h"

#include <map>

#include "base/mutex.h"
#include "nn/cuda_memory.h"
#include "nn/guard.h"

namespace greenroom::nn {
namespace {

bool is_cpu(base::DeviceId device) {
  return device.kind == base::DeviceKind::kCpu;
}

std::uint64_t current_bytes(base::DeviceId device) {
  return is_cpu(device) ? WorkspaceMeter::current_bytes() : device_memory(device.index).allocated;
}

std::uint64_t peak_bytes_of(base::DeviceId device) {
  return is_cpu(device) ? WorkspaceMeter::peak_bytes() : device_memory(device.index).peak_allocated;
}

// Who measures where. Never destroyed: a run may end late.
struct Register {
  struct Device {
    int measuring = 0;
    std::uint64_t disturbances = 0;
  };
  base::Mutex mutex;
  std::map<base::DeviceId, Device> devices GUARDED_BY(mutex);
};

Register& measurements() {
  static auto* const kRegister = new Register;
  return *kRegister;
}

}  // namespace

WorkspaceMeasurement::WorkspaceMeasurement(base::DeviceId device) : device_(device) {
  Register& all = measurements();
  const base::MutexLock lock(all.mutex);
  Register::Device& here = all.devices[device_];
  began_alone_ = here.measuring++ == 0;
  if (!began_alone_) ++here.disturbances;
  disturbances_ = here.disturbances;
  before_ = current_bytes(device_);
  // The peak of a run that is under way is not to be forgotten.
  if (!began_alone_) return;
  if (is_cpu(device_)) {
    WorkspaceMeter::reset_peak();
  } else {
    reset_device_peak(device_.index);
  }
}

WorkspaceMeasurement::~WorkspaceMeasurement() {
  Register& all = measurements();
  const base::MutexLock lock(all.mutex);
  --all.devices[device_].measuring;
}

std::uint64_t WorkspaceMeasurement::peak_bytes() const {
  const std::uint64_t peak = peak_bytes_of(device_);
  return peak > before_ ? peak - before_ : 0;
}

bool WorkspaceMeasurement::is_exact() const {
  Register& all = measurements();
  const base::MutexLock lock(all.mutex);
  return began_alone_ && all.devices[device_].disturbances == disturbances_;
}

void WorkspaceMeasurement::disturb(base::DeviceId device) {
  Register& all = measurements();
  const base::MutexLock lock(all.mutex);
  ++all.devices[device].disturbances;
}

}  // namespace greenroom::nn
