// BigVGAN's activation: a periodic function applied at twice the sampling rate, so that it does not alias.
#pragma once

#include <torch/types.h>

#include <array>

#include "nn/weights.h"

namespace greenroom::nn {

// The low-pass filter of both rate changes: 12 taps of a windowed sinc at a quarter of the doubled rate.
// BigVGAN alias_free_torch/filter.py: kaiser_sinc_filter1d(0.25, 0.3, 12).
std::array<float, 12> half_band_filter();

// SnakeBeta x + sin^2(a x) / b between a doubling and a halving of the rate (alias_free_torch/act.py:
// Activation1d). On the CPU one pass over the samples, with the doubled signal in the cache only; elsewhere
// a few operations of libtorch. Immutable; thread-safe.
class FilteredSnake {
 public:
  // Reads "alpha" and "beta", which hold logarithms when `logarithmic`. The filters in the file are the same
  // in every checkpoint and are not read.
  static FilteredSnake load(const Weights& weights, bool logarithmic);

  FilteredSnake(torch::Tensor frequency, torch::Tensor amplitude);

  // x [batch, channels, time] -> same shape.
  torch::Tensor operator()(const torch::Tensor& x) const;

  // The same by operations of libtorch on any device; what the fast way is checked against.
  torch::Tensor reference(const torch::Tensor& x) const;

  // Samples on each side that an output depends on.
  static constexpr int kContext = 6;

 private:
  torch::Tensor frequency_;  // [channels], a
  torch::Tensor amplitude_;  // [channels], 1 / (b + 1e-9)
  torch::Tensor up_, down_;  // [2, 1, 6] and [1, 2, 6], the filter by phase
};

}  // namespace greenroom::nn
