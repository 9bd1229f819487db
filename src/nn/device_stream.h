// The order in which a run's kernels reach its device. cuda_stream.cpp is built when libtorch has CUDA,
// no_cuda_stream.cpp when it has not.
#pragma once

#include <memory>

#include "base/device_id.h"

namespace greenroom::nn {

// While it lives, what this thread computes on `device` goes to a CUDA stream of its own, so that models that
// run at the same time overlap instead of waiting for each other. The same thread's next one gets the same
// stream as long as no other is using it, and one inside another keeps the outer's. Nothing on the CPU.
//
// Weights and whatever else other threads may free belong outside: at its end everything has been computed,
// so nothing that is freed afterwards is still read. Not thread-safe; ends in the thread that made it.
class DeviceStream {
 public:
  // Throws base::Error(kUnavailable) or c10::Error when the device refuses.
  explicit DeviceStream(base::DeviceId device);
  // Waits for the device, without throwing.
  ~DeviceStream();
  DeviceStream(const DeviceStream&) = delete;
  DeviceStream& operator=(const DeviceStream&) = delete;

  // Waits until everything has been computed; what a kernel failed with comes out here. Throws base::Error.
  void finish();

 private:
  class Lane;
  std::unique_ptr<Lane> lane_;  // null on the CPU
};

// Runs `act` if nothing computes on any CUDA device and keeps others from beginning meanwhile; else does
// nothing.
void while_devices_rest(void (*act)());

}  // namespace greenroom::nn
