// Memory of CUDA devices. cuda_memory.cpp is built when libtorch has CUDA, no_cuda_memory.cpp when it has
// not. Beside it only cuda_stream.cpp and cuda_graph.cpp call CUDA.
#pragma once

#include <cstdint>
#include <memory>

#include "checkpoint/host_memory.h"

namespace greenroom::nn {

// Copies to `block`, memory of CUDA device `device`, on a stream of its own, from page-locked memory. When
// the system refuses to lock memory, ordinary memory is used: slower, never wrong. The block must outlive the
// target. Throws base::Error(kUnavailable) when the device refuses, kUnimplemented in a build without CUDA.
std::unique_ptr<checkpoint::CopyTarget> make_cuda_target(void* block, int device);

// What libtorch's allocator says of its memory on CUDA device `device`, in bytes.
struct DeviceAllocations {
  std::uint64_t allocated = 0;       // by tensors
  std::uint64_t peak_allocated = 0;  // since reset_device_peak()
  std::uint64_t held = 0;            // taken from the driver: by tensors, and kept for the next ones
  std::uint64_t stuck = 0;           // of that: unused pieces between tensors, which cannot be given back
};
// All zero before the device was used. Throw base::Error(kUnimplemented) in a build without CUDA.
DeviceAllocations device_memory(int device);
void reset_device_peak(int device);

// To be called before the first tensor on a device: asks the allocator for segments that grow and shrink by
// mapped pages (libtorch 2.1 or later, devices that can), so that what is freed between other tensors goes
// back, too. PYTORCH_CUDA_ALLOC_CONF, where it is set, decides instead. Does nothing in a build without CUDA.
void prepare_device_allocator();

// Gives back to the driver what the allocator keeps for the next tensors, on all devices, and, while nothing
// is being computed, what cuBLAS keeps. Does nothing in a build without CUDA.
void release_cached_device_memory();

// Does the device refuse everything after an error that stays with the process (an illegal access, a lost
// GPU)? Waits for what runs on it, and marks one that does (nn/failure.h). In a build without CUDA: is it
// marked?
bool is_device_broken(int device);

// Page-locked where possible. Throws base::Error(kResourceExhausted).
std::unique_ptr<checkpoint::HostMemory> allocate_pinned_memory(std::uint64_t bytes);

}  // namespace greenroom::nn
