#include "models/ddsp_svc/voice.h"

#include <torch/torch.h>

namespace greenroom::models::ddsp_svc {

Voice::Voice(const nn::Weights& file, Generation generation, VoiceConfig config)
    : generation_(generation),
      config_(std::move(config)),
      control_(file.sub("model.ddsp_model.unit2ctrl"), generation, config_),
      velocity_(file.sub("model.reflow_model.velocity_fn"), generation, config_) {}

Voice::Sketch Voice::sketch(const VoiceInput& input, nn::NoiseSource& noise) const {
  const std::int64_t frames = input.f0.size(1);
  const std::int64_t hop = config_.block_size;
  Sketch result;
  result.source = comb_source(input.f0, config_.sampling_rate, hop);
  ControlInput control{
      input.units, input.f0, {}, {}, {}, input.volume, input.speakers, input.formant_semitones};
  torch::Tensor drawn;
  const auto draw = [&] { drawn = noise.normal("ddsp", {1, frames * hop}, input.f0.device()); };
  if (generation_ == Generation::k60) {
    control.phase = result.source.phase_frames;
    result.controls = control_(control);
    draw();
  } else {
    draw();
    control.source_frames = result.source.comb;
    control.noise_frames = drawn.view({1, frames, hop});
    result.controls = control_(control);
  }
  result.audio =
      filter_sources(result.source.comb.reshape({1, -1}), drawn, result.controls, config_.win_length, hop);
  return result;
}

}  // namespace greenroom::models::ddsp_svc
