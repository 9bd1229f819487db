// What one run's activations come to, measured.
#pragma once

#include <cstdint>

#include "base/device_id.h"

namespace greenroom::nn {

// The most memory libtorch hands out on a device from construction on, beyond what was in use then. Runs side
// by side on one device see each other's bytes: then peak_bytes() is too high and is_exact() false.
// Thread-safe.
class WorkspaceMeasurement {
 public:
  explicit WorkspaceMeasurement(base::DeviceId device);
  ~WorkspaceMeasurement();
  WorkspaceMeasurement(const WorkspaceMeasurement&) = delete;
  WorkspaceMeasurement& operator=(const WorkspaceMeasurement&) = delete;

  std::uint64_t peak_bytes() const;
  bool is_exact() const;

  // Tells the measurements under way on that device that something else, such as weights, was allocated
  // there.
  static void disturb(base::DeviceId device);

 private:
  const base::DeviceId device_;
  std::uint64_t before_ = 0;  // bytes in use
  std::uint64_t disturbances_ = 0;
  bool began_alone_ = false;
};

}  // namespace greenroom::nn
