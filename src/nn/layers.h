// The layers voice models are made of, as plain values built from a weight scope. Immutable after
// construction, so any number of threads may run one.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "nn/weights.h"

namespace greenroom::nn {

struct Linear {
  torch::Tensor weight;  // [out, in]
  torch::Tensor bias;    // [out], may be undefined

  static Linear load(const Weights& weights);
  static Linear load_weight_norm(const Weights& weights);
  torch::Tensor operator()(const torch::Tensor& x) const;  // [..., in] -> [..., out]
};

// Convolution over the last axis of [batch, channels, time].
struct Conv1d {
  torch::Tensor weight;  // [out, in / groups, kernel]
  torch::Tensor bias;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;

  // Padding "same" for an odd kernel: dilation * (kernel - 1) / 2.
  static Conv1d load_same(const Weights& weights, std::int64_t dilation = 1);
  static Conv1d load_same_weight_norm(const Weights& weights, std::int64_t dilation = 1);
  // One filter per channel, padding "same".
  static Conv1d load_depthwise(const Weights& weights);
  static Conv1d load(const Weights& weights, std::int64_t stride, std::int64_t padding);
  torch::Tensor operator()(const torch::Tensor& x) const;
};

// Upsampling by `stride`: kernel k, padding (k - stride) / 2.
struct ConvTranspose1d {
  torch::Tensor weight;  // [in, out, kernel]
  torch::Tensor bias;
  std::int64_t stride = 1;

  static ConvTranspose1d load_weight_norm(const Weights& weights, std::int64_t stride);
  torch::Tensor operator()(const torch::Tensor& x) const;
};

// Over the last axis.
struct LayerNorm {
  torch::Tensor weight;
  torch::Tensor bias;
  double eps = 1e-5;

  static LayerNorm load(const Weights& weights, double eps = 1e-5);
  torch::Tensor operator()(const torch::Tensor& x) const;
};

struct GroupNorm {
  torch::Tensor weight;
  torch::Tensor bias;
  std::int64_t groups = 1;

  static GroupNorm load(const Weights& weights, std::int64_t groups);
  torch::Tensor operator()(const torch::Tensor& x) const;  // [batch, channels, ...]
};

// x / sqrt(mean(x^2) + eps) over the last axis, no weight; eps is float32's machine epsilon.
torch::Tensor rms_norm(const torch::Tensor& x);

// softmax(q k^T / sqrt(d)) v, exact, with the scores made for a slice of the queries at a time so that their
// memory stays below `max_score_bytes` however long the sequence. q, k, v: [batch, heads, time, head_dim].
torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        std::int64_t max_score_bytes = 64 << 20);

}  // namespace greenroom::nn
