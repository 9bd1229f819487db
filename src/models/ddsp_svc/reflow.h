// The rectified flow: integrates dx/dt = v(x, t) from the DDSP sketch (or noise) to the final mel
// spectrogram.
#pragma once

#include <torch/types.h>

#include <functional>

#include "models/ddsp_svc/velocity.h"
#include "models/voice.h"

namespace greenroom::models::ddsp_svc {

struct FlowOptions {
  int steps = 20;
  OdeMethod method = OdeMethod::kEuler;
  double t_start = 0;  // below 0 counts as 0; 1 or more leaves the sketch as it is
};

// sketch: natural-log mel [1, frames, mels]; noise the same shape, standard normal. `after_step` is told the
// steps done and may throw to stop. Returns a log mel of the same shape.
torch::Tensor integrate_flow(const VelocityNet& velocity, const torch::Tensor& sketch,
                             const torch::Tensor& noise, const FlowOptions& options,
                             const std::function<void(int done)>& after_step = {});

}  // namespace greenroom::models::ddsp_svc
