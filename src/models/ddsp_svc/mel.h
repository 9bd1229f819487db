// The vocoder's own log-mel extractor, through which the flow sees the DDSP synthesiser's output.
#pragma once

#include <torch/types.h>

#include "models/ddsp_svc/config.h"

namespace greenroom::models::ddsp_svc {

enum class MelMagnitude {
  kSmoothed,  // sqrt(re^2 + im^2 + 1e-9), up to 6.2
  kPlain,     // 6.3 on
};

// Immutable; thread-safe.
class MelExtractor {
 public:
  MelExtractor(const VocoderConfig& config, MelMagnitude magnitude, torch::Device device);

  // audio [1, samples] at the vocoder's rate -> natural log [1, samples / hop, mels]. `keyshift_semitones`
  // stretches the analysis window, so that the spectrum comes out shifted.
  torch::Tensor operator()(const torch::Tensor& audio, double keyshift_semitones = 0) const;

  const torch::Tensor& filters() const { return filters_; }  // [mels, bins]

 private:
  VocoderConfig config_;
  MelMagnitude magnitude_;
  torch::Tensor filters_;
};

}  // namespace greenroom::models::ddsp_svc
