#include "models/index_tts/flow.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <vector>

#include "base/error.h"

namespace greenroom::models::index_tts {
namespace {

struct Schedule {
  std::vector<float> times;    // where the velocity is asked for
  std::vector<float> lengths;  // of the steps
};

// In float32 throughout: t adds up the differences of torch.linspace(0, 1, steps + 1).
Schedule make_schedule(int steps) {
  const auto span = torch::linspace(0, 1, steps + 1, torch::kFloat32);
  const float* at = span.data_ptr<float>();
  Schedule schedule;
  float t = at[0];
  for (int step = 1; step <= steps; ++step) {
    schedule.times.push_back(t);
    schedule.lengths.push_back(at[step] - at[step - 1]);
    t += schedule.lengths.back();
  }
  return schedule;
}

void check(const FlowCondition& condition, const FlowOptions& options) {
  if (options.steps < 1 || options.steps > 1000) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      fmt::format("{} flow steps; 1 to 1000 are possible, 25 is usual", options.steps));
  }
  if (!(options.guidance >= 0 && options.guidance <= 10)) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("a flow guidance of {}; 0 to 10 is possible, 0.7 is usual", options.guidance));
  }
  if (!(options.temperature >= 0 && options.temperature <= 10)) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("a flow temperature of {}; 0 to 10 is possible, 1 is usual", options.temperature));
  }
  if (condition.content.size(1) <= condition.reference.size(1)) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      "there is no frame to synthesise after the reference");
  }
}

}  // namespace

torch::Tensor integrate_flow(const FlowEstimator& estimator, const FlowCondition& condition,
                             const FlowOptions& options, nn::NoiseSource& noise,
                             const std::function<void(int done)>& after_step) {
  check(condition, options);
  const std::int64_t frames = condition.content.size(1);
  const std::int64_t first = condition.reference.size(1);
  const bool guided = options.guidance > 0;
  const auto schedule = make_schedule(options.steps);
  const auto prepared = estimator.prepare(condition, schedule.times, guided, first);
  auto x =
      (noise.normal("flow", {1, estimator.mels(), frames}, condition.content.device()) * options.temperature)
          .transpose(1, 2)
          .contiguous();
  x.slice(1, 0, first).zero_();
  auto wanted = x.slice(1, first);
  for (int step = 0; step < options.steps; ++step) {
    const auto velocity = estimator.velocity(x, step, prepared);
    const double length = schedule.lengths[static_cast<std::size_t>(step)];
    wanted.add_(velocity.slice(0, 0, 1), guided ? length * (1 + options.guidance) : length);
    if (guided) wanted.sub_(velocity.slice(0, 1, 2), length * options.guidance);
    if (after_step) after_step(step + 1);
  }
  return wanted.transpose(1, 2).contiguous();
}

}  // namespace greenroom::models::index_tts
