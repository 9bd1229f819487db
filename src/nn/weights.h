// Tensors of a checkpoint by scope: weights.sub("encoder").tensor("weight", {512, 80}).
//
// They come in one dtype, float32 unless another is asked for. On the CPU a tensor that is of it already is a
// view of the mapped file, so nothing is copied and processes share the pages; tensors of another dtype or on
// another device are views of a block that was read in one go, or, when there is none, copied one by one.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/device_id.h"
#include "checkpoint/checkpoint.h"
#include "nn/weight_block.h"

namespace greenroom::nn {

// A scope of a checkpoint. Copies share the file and the count of bytes. Not thread-safe; used by one load
// only.
class Weights {
 public:
  // `dtype` must be the block's, when there is one.
  Weights(checkpoint::Checkpoint file, base::DeviceId device, std::shared_ptr<WeightBlock> block = nullptr,
          checkpoint::DType dtype = checkpoint::DType::kFloat32);

  // The scope `name` below this one.
  Weights sub(std::string_view name) const;

  bool has(std::string_view name) const;

  // How many scopes "name.0", "name.1", ... there are without a gap.
  int count(std::string_view name) const;

  // In the dtype, on the device. Throws Error(kDataLoss) naming file and tensor when it is absent, not
  // floating, or its shape differs from `shape` (-1 matches anything; an empty list checks nothing).
  torch::Tensor tensor(std::string_view name, std::initializer_list<std::int64_t> shape = {}) const;

  // Undefined tensor when absent.
  torch::Tensor tensor_or_none(std::string_view name) const;

  // w = g * v / ||v||, the norm over all dimensions but `dim` (PyTorch's weight_norm), folded. Reads
  // "<name>_g" and "<name>_v", or "parametrizations.<name>.original0/1", or plain "<name>".
  torch::Tensor folded_weight_norm(std::string_view name = "weight", int dim = 0) const;

  // Not counted by bytes() until it is kept: for values that are folded into others and dropped.
  torch::Tensor peek(std::string_view name) const;

  // Counts a tensor made from peeked ones. It takes the place of `name`, one of those, in the block, when
  // that is there and has as many elements; without a block it stays where it is.
  torch::Tensor keep(torch::Tensor tensor, std::string_view name) const;

  // Bytes of all tensors handed out so far, over all scopes of the file.
  std::uint64_t bytes() const;

  std::string full_name(std::string_view name) const;
  const checkpoint::Checkpoint& file() const { return file_; }

 private:
  const checkpoint::TensorView& view(std::string_view name) const;
  torch::Tensor read(const checkpoint::TensorView& view, const std::string& name) const;
  torch::Tensor count(torch::Tensor tensor) const;

  checkpoint::Checkpoint file_;
  base::DeviceId device_;
  torch::ScalarType dtype_;
  std::shared_ptr<WeightBlock> block_;
  std::string scope_;
  std::shared_ptr<std::uint64_t> bytes_;
};

}  // namespace greenroom::nn
