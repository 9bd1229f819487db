// What the files that call CUDA share; included by them alone.
#pragma once

#include <cuda_runtime_api.h>
#include <spdlog/fmt/fmt.h>

#include "base/error.h"
#include "base/mutex.h"
#include "nn/failure.h"

namespace greenroom::nn {

// Throws base::Error when `status` is no success: kResourceExhausted for a lack of memory, else kUnavailable.
// An error that stays marks the current device as lost.
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error that is not sticky is not to be found by the next call
  const std::string message = fmt::format("CUDA: {}: {}", what, cudaGetErrorString(status));
  int device = 0;
  if (stays(message) && cudaGetDevice(&device) == cudaSuccess) mark_device_lost(device, message);
  throw base::Error(status == cudaErrorMemoryAllocation ? base::ErrorCode::kResourceExhausted
                                                        : base::ErrorCode::kUnavailable,
                    message);
}

// Makes a device current for a scope.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    check(cudaGetDevice(&before_), "asking for the current device");
    check(cudaSetDevice(device), "choosing the device");
  }
  ~CurrentDevice() { cudaSetDevice(before_); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int before_ = 0;
};

// Held while a graph is recorded, which takes milliseconds, and by whatever must not happen meanwhile: to
// wait for a device as a whole ends the recording, and the allocator gives nothing back.
inline base::Mutex& recording_mutex() {
  static auto* const kMutex = new base::Mutex;
  return *kMutex;
}

}  // namespace greenroom::nn
