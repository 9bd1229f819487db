// The decoder for any device and dtype, in libtorch's operations.
#pragma once

#include <vector>

#include "models/index_tts/gpt_decoder.h"

namespace greenroom::models::index_tts {

// The keys of all beams of a segment lie side by side, and every beam is scored against all of them, with a
// mask over those that are not on its path: reading the keys once costs less than moving them. The only thing
// that waits for the device is the copy of the scores to the host. Not thread-safe; one per run.
class PortableDecoder : public GptDecoder {
 public:
  PortableDecoder(const Gpt& gpt, const DecodePlan& plan);
  void start(int segment, const torch::Tensor& prefix) override;
  void step(std::span<const Input> inputs) override;
  std::span<float> logits(int segment) override;

 private:
  torch::Tensor attend(std::size_t layer, const torch::Tensor& qkv);
  void update_paths(const torch::Tensor& parents);

  const Gpt& gpt_;
  DecodePlan plan_;
  std::int64_t rows_, heads_, head_dim_;
  std::int64_t step_ = 0;
  std::vector<torch::Tensor> keys_;  // per layer [segments * heads, prefix, then beams per step; head_dim]
  std::vector<torch::Tensor> values_;
  torch::Tensor paths_;       // [rows, keys]: 0, or -infinity where a key is not on the row's path
  torch::Tensor next_paths_;  // the same, to be swapped with
  torch::Tensor logits_;      // [rows, codes], float32, on the host
};

}  // namespace greenroom::models::index_tts
