#include "base/error.h"
#include "nn/cuda_memory.h"
#include "nn/failure.h"

namespace greenroom::nn {

namespace {

[[noreturn]] void refuse() {
  throw base::Error(base::ErrorCode::kUnimplemented,
                    "this greenroom was built with a libtorch that has no CUDA; build it with the PyTorch of "
                    "python3 (GREENROOM_TORCH=python), or use the device cpu");
}

}  // namespace

std::unique_ptr<checkpoint::CopyTarget> make_cuda_target(void*, int) {
  refuse();
}

DeviceAllocations device_memory(int) {
  refuse();
}

void reset_device_peak(int) {
  refuse();
}

void prepare_device_allocator() {}

void release_cached_device_memory() {}

bool is_device_broken(int device) {
  return device_loss(device).has_value();
}

std::unique_ptr<checkpoint::HostMemory> allocate_pinned_memory(std::uint64_t bytes) {
  return checkpoint::allocate_host_memory(bytes);
}

}  // namespace greenroom::nn
