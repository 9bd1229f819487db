// Any number of vectors into a fixed number: IndexTTS indextts/gpt/perceiver.py PerceiverResampler.
#pragma once

#include <torch/types.h>

#include <vector>

#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// Immutable. Thread-safe.
class Perceiver {
 public:
  explicit Perceiver(const nn::Weights& weights);
  torch::Tensor operator()(const torch::Tensor& context) const;  // [1, time, context] -> [1, latents, width]

 private:
  struct Layer {
    nn::Linear q, kv, out;
    nn::Linear up, down;
  };
  static torch::Tensor attend(const Layer& layer, const torch::Tensor& latents, const torch::Tensor& context);

  torch::Tensor latents_;  // [latents, width]
  nn::Linear projection_;
  std::vector<Layer> layers_;
  torch::Tensor gamma_;  // [width]
};

}  // namespace greenroom::models::index_tts
