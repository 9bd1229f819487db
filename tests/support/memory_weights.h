// Weights made by a test or a benchmark, in a file of the official kind that exists as long as they do.
#pragma once

#include <torch/types.h>

#include <map>
#include <memory>
#include <span>
#include <string>

#include "checkpoint/checkpoint.h"
#include "checkpoint/torch_writer.h"
#include "nn/weights.h"
#include "support/temp_dir.h"

namespace greenroom::test {

// float32 tensors on the CPU, by name. The file is unlinked at once; the mapping keeps its bytes.
inline nn::Weights memory_weights(const std::map<std::string, torch::Tensor>& tensors) {
  checkpoint::DictToWrite root;
  for (const auto& [name, tensor] : tensors) {
    const auto* data = static_cast<const std::byte*>(tensor.data_ptr());
    root.items.emplace_back(name, checkpoint::TensorToWrite{checkpoint::DType::kFloat32, tensor.sizes().vec(),
                                                            std::span(data, tensor.nbytes())});
  }
  const TempDir folder;
  const auto path = folder / "weights.pt";
  checkpoint::write_torch_archive(path, root);
  return {checkpoint::Checkpoint::open(path), base::DeviceId{}};
}

}  // namespace greenroom::test
