#include <c10/cuda/CUDAStream.h>

#include <map>
#include <vector>

#include "base/mutex.h"
#include "nn/cuda_check.h"
#include "nn/cuda_memory.h"
#include "nn/device_stream.h"

namespace greenroom::nn {
namespace {

// Streams nobody uses, the last one used first: memory that the allocator keeps belongs to a stream, so as
// few as possible are used. Never destroyed: a run may end late.
class Streams {
 public:
  c10::cuda::CUDAStream take(int device) {
    const base::MutexLock lock(mutex_);
    auto& idle = idle_[device];
    if (idle.empty()) {
      const auto stream =
          c10::cuda::getStreamFromPool(/*isHighPriority=*/false, static_cast<c10::DeviceIndex>(device));
      ++used_;
      return stream;
    }
    const auto stream = idle.back();
    idle.pop_back();
    ++used_;
    return stream;
  }
  void give_back(const c10::cuda::CUDAStream& stream) {
    const base::MutexLock lock(mutex_);
    --used_;
    idle_[stream.device_index()].push_back(stream);
  }
  void while_none_is_used(void (*act)()) {
    const base::MutexLock lock(mutex_);
    if (used_ == 0) act();
  }

 private:
  base::Mutex mutex_;
  int used_ GUARDED_BY(mutex_) = 0;
  std::map<int, std::vector<c10::cuda::CUDAStream>> idle_ GUARDED_BY(mutex_);
};

Streams& streams() {
  static auto* const kStreams = new Streams;
  return *kStreams;
}

// Devices on which this thread has a stream of ours already.
thread_local std::map<int, int> depth_of;

}  // namespace

class DeviceStream::Lane {
 public:
  explicit Lane(int device)
      : device_(device),
        before_(c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device))),
        is_outermost_(depth_of[device] == 0),
        ours_(is_outermost_ ? streams().take(device) : before_) {
    ++depth_of[device_];
    if (is_outermost_) c10::cuda::setCurrentCUDAStream(ours_);
  }
  ~Lane() {
    cudaStreamSynchronize(ours_.stream());  // an error that stays is met by the next call, too
    --depth_of[device_];
    if (!is_outermost_) return;
    c10::cuda::setCurrentCUDAStream(before_);
    streams().give_back(ours_);
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  void finish() {
    const CurrentDevice current(device_);
    check(cudaStreamSynchronize(ours_.stream()), "computing");
  }

 private:
  const int device_;
  const c10::cuda::CUDAStream before_;
  const bool is_outermost_;
  const c10::cuda::CUDAStream ours_;
};

DeviceStream::DeviceStream(base::DeviceId device) {
  if (device.kind != base::DeviceKind::kCuda) return;
  prepare_device_allocator();
  lane_ = std::make_unique<Lane>(device.index);
}

DeviceStream::~DeviceStream() = default;

void DeviceStream::finish() {
  if (lane_) lane_->finish();
}

void while_devices_rest(void (*act)()) {
  streams().while_none_is_used(act);
}

}  // namespace greenroom::nn
