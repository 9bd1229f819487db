// CAMPPlus: who speaks, as one vector.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// 3D-Speaker campplus/DTDNN.py, CAMPPlus. Batch norms are folded into what stands before them, or become a
// scale and a shift. Immutable; thread-safe.
class SpeakerEncoder {
 public:
  explicit SpeakerEncoder(const nn::Weights& file);

  // fbank [1, frames, 80], the mean over time subtracted, at least three frames -> style [1, 192].
  torch::Tensor operator()(const torch::Tensor& fbank) const;

  // Stations on the way, for comparison: after the first time-delay layer and the first dense block.
  struct Stations {
    torch::Tensor tdnn, block1;
  };
  torch::Tensor run(const torch::Tensor& fbank, Stations* stations) const;

 private:
  struct Conv2d {
    torch::Tensor weight, bias;
    std::int64_t stride = 1;  // over frequency; over time it is 1
    torch::Tensor operator()(const torch::Tensor& x) const;
  };
  struct ResBlock {
    Conv2d first, second, shortcut;  // shortcut: undefined weight where the input is added as it is
    torch::Tensor operator()(const torch::Tensor& x) const;
  };
  // max(0, x * scale + shift), per channel of [1, channels, time].
  struct NormRelu {
    torch::Tensor scale, shift;  // [channels, 1]
    torch::Tensor operator()(const torch::Tensor& x) const;
  };
  struct DenseLayer {
    NormRelu norm1;
    nn::Conv1d narrow;  // 1x1, the second norm folded in
    nn::Conv1d local;
    nn::Conv1d context1, context2;
    torch::Tensor operator()(const torch::Tensor& x) const;
  };
  struct DenseBlock {
    std::vector<DenseLayer> layers;
    NormRelu transit_norm;
    nn::Conv1d transit;
  };
  static Conv2d load_conv2d(const nn::Weights& conv, const nn::Weights& norm, std::int64_t stride);
  static ResBlock load_res_block(const nn::Weights& weights, std::int64_t stride);
  static NormRelu load_norm(const nn::Weights& norm);
  static DenseLayer load_dense_layer(const nn::Weights& weights, std::int64_t dilation);
  torch::Tensor head(const torch::Tensor& fbank) const;

  Conv2d head_first_, head_last_;
  std::vector<ResBlock> head_blocks_;
  nn::Conv1d tdnn_;
  std::vector<DenseBlock> blocks_;
  NormRelu out_norm_;
  nn::Conv1d dense_;
};

}  // namespace greenroom::models::index_tts
