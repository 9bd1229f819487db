// The convolution module that the control network and the velocity network of every 6.x generation are stacks
// of.
#pragma once

#include <torch/types.h>

#include "models/ddsp_svc/config.h"
#include "models/ddsp_svc/description.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::ddsp_svc {

// How two halves of a vector gate each other: out = first half, gate = second half (map, section 6.1).
enum class Gate { kSigmoid, kSwish, kAtan, kSoftsign, kDoubleSoftsign };

Gate gate_of(Generation generation, const std::string& glu_type);
torch::Tensor apply_gate(Gate gate, const torch::Tensor& x);  // [..., 2 * c] -> [..., c]

// x [1, frames, channels] -> the same shape, without the residual. Immutable; thread-safe.
//
// 6.0 to 6.2: (norm) -> pointwise -> gate -> depthwise -> activation -> pointwise.
// 6.3 on:     (norm) -> depthwise -> pointwise -> gate -> pointwise -> gate -> pointwise.
class ConvModule {
 public:
  // `scope` ends in the module's "net".
  ConvModule(const nn::Weights& scope, Generation generation, Gate gate);
  torch::Tensor operator()(const torch::Tensor& x) const;

 private:
  torch::Tensor depthwise_over_time(const torch::Tensor& x) const;

  Generation generation_;
  Gate gate_;
  bool has_norm_ = false;
  nn::LayerNorm norm_;
  nn::Conv1d depthwise_;
  torch::Tensor prelu_;
  nn::Linear first_, second_, last_;
};

// A 1x1 convolution read as the linear map it is.
nn::Linear load_pointwise(const nn::Weights& scope);

}  // namespace greenroom::models::ddsp_svc
