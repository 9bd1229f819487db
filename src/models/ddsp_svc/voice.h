// One DDSP-SVC 6.x voice: control network, synthesiser and flow of a model_N.pt.
#pragma once

#include <torch/types.h>

#include "models/ddsp_svc/config.h"
#include "models/ddsp_svc/description.h"
#include "models/ddsp_svc/mel.h"
#include "models/ddsp_svc/reflow.h"
#include "models/ddsp_svc/synth.h"
#include "models/ddsp_svc/unit2control.h"
#include "models/ddsp_svc/velocity.h"
#include "nn/noise.h"
#include "nn/weights.h"

namespace greenroom::models::ddsp_svc {

struct VoiceInput {
  torch::Tensor units;   // [1, frames, unit width]
  torch::Tensor f0;      // [1, frames, 1] Hz, after key shift
  torch::Tensor volume;  // [1, frames, 1]
  SpeakerMix speakers;
  double formant_semitones = 0;
};

// Immutable; thread-safe.
class Voice {
 public:
  // `file` is the checkpoint's root; the state dict is below "model".
  Voice(const nn::Weights& file, Generation generation, VoiceConfig config);

  struct Sketch {
    torch::Tensor audio;  // [1, frames * hop]
    CombSource source;
    Controls controls;
  };
  // The DDSP synthesiser's output. Draws normal "ddsp" [1, frames * hop].
  Sketch sketch(const VoiceInput& input, nn::NoiseSource& noise) const;

  const VelocityNet& velocity() const { return velocity_; }
  const VoiceConfig& config() const { return config_; }
  Generation generation() const { return generation_; }
  int speakers() const { return control_.speakers(); }
  bool shifts_formants() const { return control_.shifts_formants(); }

 private:
  Generation generation_;
  VoiceConfig config_;
  Unit2Control control_;
  VelocityNet velocity_;
};

}  // namespace greenroom::models::ddsp_svc
