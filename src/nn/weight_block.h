// The weights of one component, brought to their device together.
#pragma once

#include <torch/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/device_id.h"
#include "checkpoint/host_memory.h"
#include "checkpoint/read_plan.h"
#include "checkpoint/summary.h"

namespace greenroom::nn {

torch::Device to_torch(base::DeviceId device);
base::DeviceId to_device_id(torch::Device device);
torch::ScalarType to_torch(checkpoint::DType dtype);

struct BlockOptions {
  checkpoint::Selection wanted;                        // what the network will keep
  std::shared_ptr<const std::atomic<bool>> cancelled;  // may be null
  std::function<void(std::uint64_t done, std::uint64_t total)>
      progress;  // in bytes of the file; may be empty
  // Neither is used for the CPU. A block read before in the same way, to be copied from instead of reading;
  // and whether a copy of that size is to be left for the next time (asked at most once, may be empty).
  std::shared_ptr<checkpoint::HostMemory> image;
  std::function<bool(std::uint64_t bytes)> admit_image;
  checkpoint::DType dtype = checkpoint::DType::kFloat32;  // of the loaded tensors
};

// Tensors of one dtype in one allocation, freed with the last view of it. Thread-safe.
class WeightBlock : public std::enable_shared_from_this<WeightBlock> {
 public:
  // Reads what is wanted and cannot be used where it lies: on the CPU, what is not of that dtype already; on
  // another device, all of it. Null when nothing is left to read. Throws base::Error: kCancelled, kDataLoss
  // (the file changed), kResourceExhausted.
  static std::shared_ptr<WeightBlock> read(const checkpoint::Checkpoint& file, base::DeviceId device,
                                           const BlockOptions& options);

  // The copy that was left in host memory; null when there is none, or it was taken already.
  std::shared_ptr<checkpoint::HostMemory> take_image() { return std::exchange(image_, nullptr); }

  // A view; undefined when the tensor is not in the block.
  torch::Tensor find(std::string_view name);

 private:
  WeightBlock(checkpoint::ReadPlan plan, base::DeviceId device);
  void fill(const BlockOptions& options);

  std::map<std::string, checkpoint::PlacedTensor, std::less<>> tensors_;
  torch::Device device_;
  torch::Tensor device_memory_;                          // not on the CPU
  std::unique_ptr<checkpoint::HostMemory> host_memory_;  // on the CPU
  std::byte* data_ = nullptr;
  std::shared_ptr<checkpoint::HostMemory> image_;
  std::unique_ptr<checkpoint::ReadPlan> plan_;  // until it is carried out
};

}  // namespace greenroom::nn
