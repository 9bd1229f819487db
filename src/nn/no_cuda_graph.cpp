#include "nn/device_graph.h"

namespace greenroom::nn {

class DeviceGraph::Recordings {};

DeviceGraph::DeviceGraph(base::DeviceId) {}
DeviceGraph::~DeviceGraph() = default;

void DeviceGraph::run(std::int64_t, const std::function<void()>& work) {
  work();
}

}  // namespace greenroom::nn
