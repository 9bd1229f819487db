#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>

#include <exception>
#include <map>

#include "base/log.h"
#include "base/mutex.h"
#include "nn/cuda_check.h"
#include "nn/device_graph.h"

namespace greenroom::nn {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

// Not at::cuda::CUDAGraph: when a recording fails it leaves the allocator's count of recordings under way too
// high, and memory is never given back again.
class Capture {
 public:
  Capture(int device, cudaStream_t stream, c10::cuda::MempoolId_t pool)
      : device_(static_cast<c10::DeviceIndex>(device)), stream_(stream), pool_(pool) {
    // What is allocated meanwhile belongs to the graph; only this thread uses the stream.
    allocator::beginAllocateToPool(device_, pool_, [stream](cudaStream_t other) { return other == stream; });
    // Other threads load and run other models meanwhile, which the stricter mode forbids.
    const cudaError_t status = cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal);
    if (status != cudaSuccess) leave();
    check(status, "beginning to record a graph");
  }
  ~Capture() {
    if (ended_) return;
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream_, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();  // of the operation that failed
    leave();
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  cudaGraphExec_t finish() {
    cudaGraph_t graph = nullptr;
    const cudaError_t status = cudaStreamEndCapture(stream_, &graph);
    leave();
    check(status, "recording a graph");
    cudaGraphExec_t executable = nullptr;
    const cudaError_t made = cudaGraphInstantiateWithFlags(&executable, graph, 0);
    cudaGraphDestroy(graph);
    check(made, "preparing a graph");
    return executable;
  }

 private:
  void leave() {
    ended_ = true;
    allocator::endAllocateToPool(device_, pool_);
  }

  const c10::DeviceIndex device_;
  const cudaStream_t stream_;
  const c10::cuda::MempoolId_t pool_;
  bool ended_ = false;
};

}  // namespace

class DeviceGraph::Recordings {
 public:
  explicit Recordings(int device)
      : device_(device),
        stream_(c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device)).stream()),
        pool_(at::cuda::graph_pool_handle()) {}
  ~Recordings() {
    cudaStreamSynchronize(stream_);
    const base::MutexLock lock(recording_mutex());
    for (const auto& [variant, recording] : recordings_) {
      if (recording.executable != nullptr) cudaGraphExecDestroy(recording.executable);
    }
    for (int i = 0; i < attempts_; ++i) allocator::releasePool(static_cast<c10::DeviceIndex>(device_), pool_);
  }
  Recordings(const Recordings&) = delete;
  Recordings& operator=(const Recordings&) = delete;

  void run(std::int64_t variant, const std::function<void()>& work) {
    const CurrentDevice current(device_);
    auto& recording = recordings_[variant];
    // Once without: libraries set themselves up in ways that cannot be recorded.
    if (recording.is_warm && recording.executable == nullptr && !refused_) record(recording, work);
    if (recording.executable != nullptr) {
      check(cudaGraphLaunch(recording.executable, stream_), "replaying a graph");
      return;
    }
    work();
    recording.is_warm = true;
  }

 private:
  struct Recording {
    bool is_warm = false;
    cudaGraphExec_t executable = nullptr;
  };

  void record(Recording& recording, const std::function<void()>& work) {
    try {
      const base::MutexLock lock(recording_mutex());
      ++attempts_;
      Capture capture(device_, stream_, pool_);
      work();
      recording.executable = capture.finish();
    } catch (const std::exception& error) {
      // Nothing has been computed yet: the step is done without, and what is really wrong comes up there.
      refused_ = true;
      base::log(base::LogLevel::kWarning, "nn",
                fmt::format("cuda:{}: a step could not be recorded as a CUDA graph and is launched kernel by "
                            "kernel, which is slower: {}",
                            device_, error.what()));
    }
  }

  const int device_;
  const cudaStream_t stream_;
  const c10::cuda::MempoolId_t pool_;
  std::map<std::int64_t, Recording> recordings_;
  int attempts_ = 0;  // each holds the pool
  bool refused_ = false;
};

DeviceGraph::DeviceGraph(base::DeviceId device) {
  if (device.kind == base::DeviceKind::kCuda) recordings_ = std::make_unique<Recordings>(device.index);
}

DeviceGraph::~DeviceGraph() = default;

void DeviceGraph::run(std::int64_t variant, const std::function<void()>& work) {
  if (recordings_) return recordings_->run(variant, work);
  work();
}

}  // namespace greenroom::nn
