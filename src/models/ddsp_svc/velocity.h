// The velocity network of the rectified flow, one architecture per generation (map, section 6.3).
#pragma once

#include <torch/types.h>

#include <vector>

#include "models/ddsp_svc/conv_module.h"
#include "models/ddsp_svc/description.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::ddsp_svc {

// Immutable; thread-safe.
class VelocityNet {
 public:
  VelocityNet(const nn::Weights& scope, Generation generation, const VoiceConfig& config);

  // What depends on the condition alone, computed once per run. condition [1, frames, mels].
  std::vector<torch::Tensor> prepare(const torch::Tensor& condition) const;

  // x [1, frames, mels], step = 1000 * t; returns dx/dt, same shape.
  torch::Tensor operator()(const torch::Tensor& x, float step,
                           const std::vector<torch::Tensor>& prepared) const;

 private:
  struct Layer {
    nn::Linear step_projection, condition_projection;  // unused from 6.3 on
    ConvModule conv;
  };
  torch::Tensor embed_step(float step) const;
  torch::Tensor run_layer(const Layer& layer, const torch::Tensor& x, const torch::Tensor& step,
                          const torch::Tensor& condition) const;

  Generation generation_;
  nn::Linear input_, output_, step1_, step2_;
  nn::Linear condition_;  // from 6.3 on
  std::vector<Layer> layers_;
  nn::LayerNorm norm_;
};

}  // namespace greenroom::models::ddsp_svc
