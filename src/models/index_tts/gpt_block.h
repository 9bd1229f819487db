// One block of IndexTTS's GPT-2 trunk: Transformers models/gpt2/modeling_gpt2.py GPT2Block, without dropout.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// GPT-2's "Conv1D": a linear layer whose weight lies the other way round.
struct GptLinear {
  torch::Tensor weight;  // [in, out]
  torch::Tensor bias;    // [out]

  static GptLinear load(const nn::Weights& weights);
  torch::Tensor operator()(const torch::Tensor& x) const;  // [rows, in] -> [rows, out]
};

// Immutable. Thread-safe.
struct GptBlock {
  nn::LayerNorm attention_norm;
  GptLinear qkv;  // q, k and v side by side
  GptLinear out;
  nn::LayerNorm feed_forward_norm;
  GptLinear up;
  GptLinear down;
  std::int64_t heads = 1;

  static GptBlock load(const nn::Weights& weights, std::int64_t heads);

  // Where the keys and values of a sequence go: each [heads, time, head_dim].
  using KeepKeys = std::function<void(const torch::Tensor& keys, const torch::Tensor& values)>;
  // A whole sequence, causally. x: [time, width]; `keep` may be empty.
  torch::Tensor operator()(const torch::Tensor& x, const KeepKeys& keep = {}) const;
  torch::Tensor feed_forward(const torch::Tensor& x) const;  // the second half, residual included
};

// Queries whose scores exist at the same time.
inline constexpr std::int64_t kCausalSlice = 256;

}  // namespace greenroom::models::index_tts
