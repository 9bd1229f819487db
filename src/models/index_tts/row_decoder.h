// The decoder for float32 weights on the CPU.
#pragma once

#include <vector>

#include "models/index_tts/gpt_decoder.h"

namespace greenroom::models::index_tts {

// Allocates everything up front; a step allocates nothing. Not thread-safe; one per run.
class RowDecoder : public GptDecoder {
 public:
  RowDecoder(const Gpt& gpt, const DecodePlan& plan);
  void start(int segment, const torch::Tensor& prefix) override;
  void step(std::span<const Input> inputs) override;
  std::span<float> logits(int segment) override;

 private:
  void follow_parents(std::span<const Input> inputs);
  void embed(std::span<const Input> inputs);
  void attend(std::size_t layer, std::span<const Input> inputs);
  void feed_forward(const GptBlock& block, std::int64_t rows);
  void score(std::span<const Input> inputs);
  float* row(std::vector<float>& buffer, std::size_t index) const;
  float* keys(std::size_t layer, std::int64_t segment);
  float* values(std::size_t layer, std::int64_t segment);

  const Gpt& gpt_;
  DecodePlan plan_;
  std::int64_t width_, heads_, head_dim_, inner_, codes_;
  std::int64_t places_;  // of keys for one head of one segment: the prefix, then `beams` per step
  torch::Tensor keys_;   // [layers, segments, heads, places, head_dim]
  torch::Tensor values_;
  std::vector<std::vector<std::int32_t>> indexes_;  // of every row's keys
  std::vector<std::vector<std::int32_t>> next_indexes_;
  std::vector<std::int64_t> steps_;  // of every segment
  std::vector<float> x_, normed_, qkv_, attended_, inner_x_, scores_, step_logits_, logits_;
};

}  // namespace greenroom::models::index_tts
