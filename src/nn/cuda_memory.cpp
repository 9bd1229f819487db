#include "nn/cuda_memory.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#if __has_include(<c10/cuda/CUDAAllocatorConfig.h>)
#include <c10/cuda/CUDAAllocatorConfig.h>
#define GREENROOM_HAS_EXPANDABLE_SEGMENTS 1
#endif

#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "base/mutex.h"
#include "nn/cuda_check.h"
#include "nn/device_stream.h"

// Declared in ATen/cuda/CUDAContextLight.h, which includes the headers of all CUDA libraries; in libtorch
// since 1.11.
namespace at::cuda {
void clearCublasWorkspaces();
}

namespace greenroom::nn {
namespace {

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
    // Whoever had the block's memory before was on the stream that it was allocated for.
    const auto allocating = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device));
    const cudaEvent_t event = event_of(kBefore);
    check(cudaEventRecord(event, allocating.stream()), "marking what ran before a copy");
    check(cudaStreamWaitEvent(stream_, event, 0), "waiting for what ran before a copy");
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

  static constexpr unsigned kBefore = ~0u;  // no lane

  std::byte* block_;
  int device_;
  cudaStream_t stream_ = nullptr;
  base::Mutex mutex_;
  std::map<unsigned, cudaEvent_t> events_ GUARDED_BY(mutex_);
};

// Segments that grow are made of mapped pages, as the driver's own memory pools are: it says whether the
// devices can do that.
bool can_map_pages() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) return false;
  for (int device = 0; device < count; ++device) {
    int has_pools = 0;
    if (cudaDeviceGetAttribute(&has_pools, cudaDevAttrMemoryPoolsSupported, device) != cudaSuccess)
      return false;
    if (has_pools == 0) return false;
  }
  return count > 0;
}

}  // namespace

void prepare_device_allocator() {
  static std::once_flag once;
  std::call_once(once, [] {
#ifdef GREENROOM_HAS_EXPANDABLE_SEGMENTS
    if (std::getenv("PYTORCH_CUDA_ALLOC_CONF") != nullptr || std::getenv("PYTORCH_ALLOC_CONF") != nullptr)
      return;
    if (can_map_pages()) c10::cuda::CUDACachingAllocator::setAllocatorSettings("expandable_segments:True");
#endif
  });
}

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
            bytes(stats.reserved_bytes[kAll].current), bytes(stats.inactive_split_bytes[kAll].current)};
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
  const base::MutexLock lock(recording_mutex());
  // Those of cuBLAS are tensors' memory, some MiB for each thread and stream; they come back when needed.
  while_devices_rest(&at::cuda::clearCublasWorkspaces);
  c10::cuda::CUDACachingAllocator::emptyCache();
}

bool is_device_broken(int device) {
  if (device_loss(device)) return true;
  const base::MutexLock lock(recording_mutex());
  cudaGetLastError();  // what passes is forgotten by this; what stays is not
  if (cudaSetDevice(device) == cudaSuccess && cudaDeviceSynchronize() == cudaSuccess) return false;
  mark_device_lost(device, cudaGetErrorString(cudaGetLastError()));
  return true;
}

std::unique_ptr<checkpoint::HostMemory> allocate_pinned_memory(std::uint64_t bytes) {
  return std::make_unique<PinnedMemory>(bytes);
}

}  // namespace greenroom::nn
