// The conformer that reads speech features in front of the GPT: WeNet's, with a two-dimensional convolution
// that halves the frame rate. IndexTTS indextts/gpt/conformer_encoder.py ConformerEncoder.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// Immutable. Thread-safe.
class Conformer {
 public:
  explicit Conformer(const nn::Weights& weights);

  // [1, frames, features] -> [1, (frames - 1) / 2, width]. Throws Error(kInvalidArgument) for fewer than 3
  // frames.
  torch::Tensor operator()(const torch::Tensor& features) const;

  // The parts, for tests.
  torch::Tensor embed(const torch::Tensor& features) const;  // [1, frames', width], scaled by sqrt(width)
  torch::Tensor positions(std::int64_t frames) const;        // [frames', width]

 private:
  struct Block {
    nn::LayerNorm attention_norm, conv_norm, feed_forward_norm, final_norm;
    nn::Linear q, k, v, out, position;
    torch::Tensor bias_u, bias_v;  // [heads, head_dim]
    nn::Conv1d pointwise_in, depthwise, pointwise_out;
    nn::LayerNorm inner_norm;
    nn::Linear up, down;
  };
  static Block load_block(const nn::Weights& weights);
  static torch::Tensor attend(const Block& block, const torch::Tensor& x, const torch::Tensor& positions);
  static torch::Tensor convolve(const Block& block, const torch::Tensor& x);

  torch::Tensor conv_weight_, conv_bias_;  // [channels, 1, 3, 3]
  nn::Linear projection_;                  // [width, channels * features']
  std::vector<Block> blocks_;
  nn::LayerNorm after_norm_;
};

// Frames whose convolution exists at the same time: it has width / 2 times as many values as the features.
inline constexpr std::int64_t kConformerPiece = 64;

}  // namespace greenroom::models::index_tts
