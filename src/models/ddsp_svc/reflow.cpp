#include "models/ddsp_svc/reflow.h"

#include <torch/torch.h>

#include <algorithm>

namespace greenroom::models::ddsp_svc {
namespace {

// The range of log mels the flow was trained on, mapped to [-1, 1].
constexpr double kSpecMin = -12;
constexpr double kSpecMax = 2;

torch::Tensor normalize(const torch::Tensor& mel) {
  return (mel - kSpecMin) / (kSpecMax - kSpecMin) * 2 - 1;
}
torch::Tensor denormalize(const torch::Tensor& x) {
  return (x + 1) / 2 * (kSpecMax - kSpecMin) + kSpecMin;
}

}  // namespace

torch::Tensor integrate_flow(const VelocityNet& velocity, const torch::Tensor& sketch,
                             const torch::Tensor& noise, const FlowOptions& options,
                             const std::function<void(int done)>& after_step) {
  const double t_start = std::max(0.0, options.t_start);
  if (t_start >= 1) return sketch;
  const auto prepared = velocity.prepare(sketch);
  auto x = t_start * normalize(sketch) + (1 - t_start) * noise;
  // Upstream's t is a float32 tensor that dt is added to; the last step sees its rounding.
  auto t = static_cast<float>(t_start);
  const double dt = (1 - t_start) / options.steps;
  const auto half = static_cast<float>(dt / 2);
  const auto v = [&](const torch::Tensor& at, float time) { return velocity(at, 1000 * time, prepared); };
  for (int step = 0; step < options.steps; ++step) {
    if (options.method == OdeMethod::kEuler) {
      x = x + v(x, t) * dt;
    } else {
      const auto k1 = v(x, t);
      const auto k2 = v(x + k1 * (dt / 2), t + half);
      const auto k3 = v(x + k2 * (dt / 2), t + half);
      const auto k4 = v(x + k3 * dt, t + static_cast<float>(dt));
      x = x + (k1 + 2 * k2 + 2 * k3 + k4) * dt / 6;
    }
    t += static_cast<float>(dt);
    if (after_step) after_step(step + 1);
  }
  return denormalize(x);
}

}  // namespace greenroom::models::ddsp_svc
