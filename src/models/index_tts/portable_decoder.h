// The decoder for any device and dtype, in libtorch's operations.
#pragma once

#include <vector>

#include "models/index_tts/gpt_decoder.h"
#include "nn/device_graph.h"

namespace greenroom::models::index_tts {

// The keys of all beams of a segment lie side by side, and every beam is scored against all of them, with a
// mask over those that are not on its path: reading the keys once costs less than moving them. What differs
// from step to step is read from a tensor, so that a step can be replayed as a CUDA graph as long as it looks
// at the same number of keys. The only thing that waits for the device is the copy of the scores to the host.
// Not thread-safe; one per run.
class PortableDecoder : public GptDecoder {
 public:
  // A step looks at a multiple of `granularity` keys, of which those to come are masked: with more than 1
  // that many steps have the same shapes, and are replayed where the device can.
  PortableDecoder(const Gpt& gpt, const DecodePlan& plan, std::int64_t granularity = 1);
  void start(int segment, const torch::Tensor& prefix) override;
  void step(std::span<const Input> inputs) override;
  std::span<float> logits(int segment) override;

 private:
  torch::Tensor attend(std::size_t layer, const torch::Tensor& qkv, std::int64_t keys);
  void write_inputs(std::span<const Input> inputs);
  void update_paths();
  void compute(std::int64_t keys);

  const Gpt& gpt_;
  DecodePlan plan_;
  std::int64_t granularity_;
  std::int64_t rows_, heads_, head_dim_;
  std::int64_t step_ = 0;
  std::vector<torch::Tensor> keys_;  // per layer [segments * heads, prefix, then beams per step; head_dim]
  std::vector<torch::Tensor> values_;
  torch::Tensor paths_;       // [rows, keys]: 0, or -infinity where a key is not on the row's path
  torch::Tensor next_paths_;  // the same, while paths_ is made anew
  torch::Tensor scores_;      // [rows, codes], float32, on the device
  torch::Tensor logits_;      // the same, on the host

  // A step's inputs: on the host, on the device, and the parts of that. Int64.
  torch::Tensor host_inputs_;
  torch::Tensor inputs_;
  torch::Tensor input_codes_;    // [rows]
  torch::Tensor input_parents_;  // [rows]
  torch::Tensor row_places_;     // [rows, 1]: of each row's new key
  torch::Tensor new_places_;     // [beams]: of the new keys of any segment
  torch::Tensor position_;       // [1]

  nn::DeviceGraph graph_;
};

}  // namespace greenroom::models::index_tts
