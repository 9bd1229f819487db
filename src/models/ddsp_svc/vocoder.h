// NSF-HiFiGAN: from a mel spectrogram and a pitch track to samples. Both the classic generator (harmonic
// sines and noise added at every scale) and the mini / pitch-controllable one (a single sine added once).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "models/ddsp_svc/config.h"
#include "nn/layers.h"
#include "nn/noise.h"
#include "nn/weights.h"

namespace greenroom::models::ddsp_svc {

// DDSP-SVC nsf_hifigan/models.py, Generator. Immutable; thread-safe.
class Vocoder {
 public:
  // `log10_mel`: vocoder.type nsf-hifigan-log10, whose generator was trained on base-10 logarithms.
  Vocoder(const nn::Weights& file, VocoderConfig config, bool log10_mel);

  // mel [1, frames, mels] (natural log), f0 [1, frames] Hz -> [1, frames * hop]. Long input is generated in
  // pieces that overlap by the network's field of view, which changes nothing but the memory it takes.
  // `after_piece` is told the frames done and may throw to stop.
  torch::Tensor synthesize(const torch::Tensor& mel, const torch::Tensor& f0, nn::NoiseSource& noise,
                           const std::function<void(std::int64_t)>& after_piece = {}) const;

  // The excitation alone, [1, 1, samples at the source's rate]. Noise draws: uniform "rand_ini" [1, 1, 9],
  // then normal "vocoder" [1, samples, 9]; none for the mini generator.
  torch::Tensor excitation(const torch::Tensor& f0, nn::NoiseSource& noise) const;

  const VocoderConfig& config() const { return config_; }

  // Frames of context each side that an output frame depends on.
  std::int64_t context_frames() const;

 private:
  struct ResBlock {
    std::vector<nn::Conv1d> first, second;  // second is empty for the simpler kind
    torch::Tensor operator()(torch::Tensor x) const;
  };
  struct Stage {
    nn::ConvTranspose1d up;
    nn::Conv1d source;  // undefined weight where no source is added
    std::vector<ResBlock> blocks;
  };
  torch::Tensor classic_excitation(const torch::Tensor& f0, nn::NoiseSource& noise) const;
  torch::Tensor mini_excitation(const torch::Tensor& f0) const;
  torch::Tensor generate(const torch::Tensor& mel, const torch::Tensor& excitation) const;
  void load_stage(const nn::Weights& root, std::size_t index);

  VocoderConfig config_;
  bool log10_mel_;
  nn::Conv1d before_, after_;
  nn::Linear merge_;  // classic: 9 sines -> 1
  std::vector<Stage> stages_;
};

}  // namespace greenroom::models::ddsp_svc
