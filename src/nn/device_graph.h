// The same work again and again, launched at once. cuda_graph.cpp is built when libtorch has CUDA,
// no_cuda_graph.cpp when it has not.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/device_id.h"

namespace greenroom::nn {

// A step of some hundred small kernels takes a fast GPU less time than launching them one by one. On a CUDA
// device the step is recorded as a CUDA graph the second time that it is done, and replayed from then on; on
// the CPU it is done each time. A device that cannot record it (the log says so, once) does the same.
//
// Not thread-safe. Within one nn::DeviceStream: a graph needs a stream, and ends before it does.
class DeviceGraph {
 public:
  explicit DeviceGraph(base::DeviceId device);
  // Waits for the last step.
  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  // Does `work`. All calls with the same `variant` must do the same operations, with the same shapes and
  // numbers, on tensors that outlive the graph; what differs from call to call is read from tensors, and what
  // comes out is written to tensors that exist before. No waiting for the device, no copies from or to the
  // host within. Throws what `work` throws, base::Error for what CUDA refuses.
  void run(std::int64_t variant, const std::function<void()>& work);

 private:
  class Recordings;
  std::unique_ptr<Recordings> recordings_;  // null on the CPU
};

}  // namespace greenroom::nn
