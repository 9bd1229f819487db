// From noise to mel frames along the estimated velocity.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "models/index_tts/flow_estimator.h"
#include "nn/noise.h"

namespace greenroom::models::index_tts {

struct FlowOptions {
  int steps = 25;
  double guidance = 0.7;  // 0: without, at half the cost
  double temperature = 1.0;
};

// s2mel/modules/flow_matching.py: Euler steps of equal length with classifier-free guidance. Draws normal
// "flow" [1, mels, frames] for all frames, the reference's too. Returns the frames after the reference, [1,
// mels, frames - reference frames]. `after_step` is told the steps done and may throw to stop. Throws
// base::Error(kInvalidArgument) when no frame is left to make or an option is out of range.
torch::Tensor integrate_flow(const FlowEstimator& estimator, const FlowCondition& condition,
                             const FlowOptions& options, nn::NoiseSource& noise,
                             const std::function<void(int done)>& after_step = {});

}  // namespace greenroom::models::index_tts
