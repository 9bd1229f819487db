// The last part of the flow's estimator: gated convolutions that smooth what the transformer said.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// s2mel/modules/wavenet.py, WN with mirrored ends. Immutable; thread-safe.
class Wavenet {
 public:
  explicit Wavenet(const nn::Weights& weights);

  // What every layer adds before its gate, for all times at once: embedded [times, width] -> [times, layers *
  // 2 * width].
  torch::Tensor condition(const torch::Tensor& embedded) const;

  // x [batch, width, frames], condition [layers * 2 * width] of one time -> [batch, width, frames].
  // Overwrites x.
  torch::Tensor operator()(torch::Tensor x, const torch::Tensor& condition) const;

  // Frames on each side that an output frame depends on.
  std::int64_t context_frames() const;

 private:
  struct Layer {
    nn::Conv1d in;        // without padding of its own
    nn::Conv1d res_skip;  // residual and skip halves; the last layer has the skip alone
  };
  nn::Linear condition_;
  std::vector<Layer> layers_;
};

}  // namespace greenroom::models::index_tts
