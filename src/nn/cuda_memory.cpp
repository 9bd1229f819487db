#include "nn/cuda_memory.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime_api.h>
#include <spdlog/fmt/fmt.h>

#include <map>
#include <string>

#include "base/error.h"
#include "base/mutex.h"

namespace greenroom::nn {
namespace {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error that is not sticky is not to be found by the next call
  throw base::Error(base::ErrorCode::kUnavailable,
                    fmt::format("CUDA: {}: {}", what, cudaGetErrorString(status)));
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

// Ordinary memory that is locked afterwards: faster to get than what CUDA allocates itself.
class PinnedMemory final : public checkpoint::HostMemory {
 public:
  explicit PinnedMemory(std::uint64_t bytes) : memory_(checkpoint::allocate_host_memory(bytes)) {
    const auto block = memory_->bytes();
    is_locked_ = cudaHostRegister(block.data(), block.size(), cudaHostRegisterPortable) == cudaSuccess;
    if (!is_locked_) cudaGetLastError();
  }
  ~PinnedMemory() override {
    if (is_locked_) cudaHostUnregister(memory_->bytes().data());
  }
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  std::span<std::byte> bytes() override { return memory_->bytes(); }

 private:
  std::unique_ptr<checkpoint::HostMemory> memory_;
  bool is_locked_ = false;
};

class CudaTarget final : public checkpoint::CopyTarget {
 public:
  CudaTarget(void* block, int device) : block_(static_cast<std::byte*>(block)), device_(device) {
    const CurrentDevice current(device_);
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  }
  ~CudaTarget() override {
    cudaStreamSynchronize(stream_);
    for (const auto& [lane, event] : events_) cudaEventDestroy(event);
    cudaStreamDestroy(stream_);
  }
  CudaTarget(const CudaTarget&) = delete;
  CudaTarget& operator=(const CudaTarget&) = delete;

  std::unique_ptr<checkpoint::HostMemory> allocate_staging(std::uint64_t bytes) override {
    return allocate_pinned_memory(bytes);
  }

  void copy(unsigned lane, std::span<const std::byte> from, std::uint64_t offset) override {
    const CurrentDevice current(device_);
    const cudaEvent_t event = event_of(lane);
    check(cudaMemcpyAsync(block_ + offset, from.data(), from.size(), cudaMemcpyHostToDevice, stream_),
          "copying weights to the device");
    check(cudaEventRecord(event, stream_), "marking a copy");
  }

  void wait(unsigned lane) override {
    const CurrentDevice current(device_);
    check(cudaEventSynchronize(event_of(lane)), "waiting for a copy");
  }

 private:
  // An event that was never recorded counts as reached.
  cudaEvent_t event_of(unsigned lane) {
    const base::MutexLock lock(mutex_);
    auto& event = events_[lane];
    if (event == nullptr)
      check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "creating an event");
    return event;
  }

  std::byte* block_;
  int device_;
  cudaStream_t stream_ = nullptr;
  base::Mutex mutex_;
  std::map<unsigned, cudaEvent_t> events_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<checkpoint::CopyTarget> make_cuda_target(void* block, int device) {
  return std::make_unique<CudaTarget>(block, device);
}

DeviceAllocations device_memory(int device) {
  namespace allocator = c10::cuda::CUDACachingAllocator;
  constexpr std::size_t kAll = 0;  // StatType::AGGREGATE, whose namespace moved between versions
  const auto bytes = [](std::int64_t value) { return value > 0 ? static_cast<std::uint64_t>(value) : 0; };
  try {
    const auto stats = allocator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
    return {bytes(stats.allocated_bytes[kAll].current), bytes(stats.allocated_bytes[kAll].peak),
            bytes(stats.reserved_bytes[kAll].current)};
  } catch (const c10::Error&) {  // before its first tensor the allocator does not know the device
    return {};
  }
}

void reset_device_peak(int device) {
  namespace allocator = c10::cuda::CUDACachingAllocator;
  try {
    allocator::resetPeakStats(static_cast<c10::DeviceIndex>(device));
  } catch (const c10::Error&) {  // as above: there is no peak yet
  }
}

void release_cached_device_memory() {
  c10::cuda::CUDACachingAllocator::emptyCache();
}

bool is_device_broken(int device) {
  cudaGetLastError();  // what passes is forgotten by this; what stays is not
  return cudaSetDevice(device) != cudaSuccess || cudaDeviceSynchronize() != cudaSuccess;
}

std::unique_ptr<checkpoint::HostMemory> allocate_pinned_memory(std::uint64_t bytes) {
  return std::make_unique<PinnedMemory>(bytes);
}

}  // namespace greenroom::nn
