// The only place that calls CUDA itself. cuda_memory.cpp is built when libtorch has CUDA, no_cuda_memory.cpp
// when it has not.
#pragma once

#include <cstdint>
#include <memory>

#include "checkpoint/host_memory.h"

namespace greenroom::nn {

// Copies to `block`, memory of CUDA device `device`, on a stream of its own, from page-locked memory. When
// the system refuses to lock memory, ordinary memory is used: slower, never wrong. The block must outlive the
// target. Throws base::Error(kUnavailable) when the device refuses, kUnimplemented in a build without CUDA.
std::unique_ptr<checkpoint::CopyTarget> make_cuda_target(void* block, int device);

// Page-locked where possible. Throws base::Error(kResourceExhausted).
std::unique_ptr<checkpoint::HostMemory> allocate_pinned_memory(std::uint64_t bytes);

}  // namespace greenroom::nn
