// The control network: from content, pitch and loudness to the filters of the DDSP synthesiser.
#pragma once

#include <torch/types.h>

#include <utility>
#include <vector>

#include "models/ddsp_svc/config.h"
#include "models/ddsp_svc/conv_module.h"
#include "models/ddsp_svc/description.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::ddsp_svc {

// One speaker, or a weighted mix of several; ids are 1-based.
using SpeakerMix = std::vector<std::pair<int, double>>;

struct ControlInput {
  torch::Tensor units;          // [1, frames, unit width]
  torch::Tensor f0;             // [1, frames, 1] Hz
  torch::Tensor phase;          // [1, frames, 1] radians; 6.0 only
  torch::Tensor source_frames;  // [1, frames, hop]; 6.1 on
  torch::Tensor noise_frames;   // [1, frames, hop]; 6.1 on
  torch::Tensor volume;         // [1, frames, 1]
  SpeakerMix speakers;
  double formant_semitones = 0;
};

// Log magnitudes and phases in units of pi, each [1, frames, win_length / 2 + 1].
struct Controls {
  torch::Tensor harmonic_magnitude, harmonic_phase, noise_magnitude, noise_phase;
  torch::Tensor hidden;  // [1, frames, width], before the last layer
};

// DDSP-SVC ddsp/unit2control.py. Immutable; thread-safe.
class Unit2Control {
 public:
  Unit2Control(const nn::Weights& scope, Generation generation, const VoiceConfig& config);

  Controls operator()(const ControlInput& input) const;

  int speakers() const { return speakers_.defined() ? static_cast<int>(speakers_.size(0)) : 1; }
  bool shifts_formants() const { return shift_embed_.defined(); }

 private:
  // PyTorch's post-norm TransformerEncoderLayer over a sequence of one: attention is the identity on the
  // values.
  struct LonelyAttention {
    nn::LayerNorm input_norm;
    nn::Linear value, out, up, down;
    nn::LayerNorm norm1, norm2;
    torch::Tensor operator()(const torch::Tensor& x) const;
  };
  struct Layer {
    std::vector<LonelyAttention> attention;  // none or one
    ConvModule conv;
  };
  torch::Tensor stem(const ControlInput& input) const;
  static LonelyAttention load_attention(const nn::Weights& scope);

  Generation generation_;
  std::vector<nn::Conv1d> unit_convs_, exciter_convs_;
  torch::Tensor unit_prelu_, exciter_prelu_;
  nn::GroupNorm unit_norm_;
  nn::Linear f0_embed_, phase_embed_, volume_embed_;
  torch::Tensor speakers_;     // [speakers, width]
  torch::Tensor shift_embed_;  // [width, 1]
  std::vector<Layer> layers_;
  nn::LayerNorm norm_;
  nn::Linear dense_out_;
};

}  // namespace greenroom::models::ddsp_svc
