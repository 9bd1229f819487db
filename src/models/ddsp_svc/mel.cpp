#include "models/ddsp_svc/mel.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "audio/frames.h"
#include "audio/mel_filters.h"
#include "nn/spectral.h"

namespace greenroom::models::ddsp_svc {

MelExtractor::MelExtractor(const VocoderConfig& config, MelMagnitude magnitude, torch::Device device)
    : config_(config), magnitude_(magnitude) {
  const auto filters = audio::mel_filters(config.sampling_rate, config.n_fft, config.num_mels, config.fmin,
                                          config.fmax, audio::MelScale::kSlaney);
  filters_ = torch::tensor(filters).view({config.num_mels, config.n_fft / 2 + 1}).to(device);
}

torch::Tensor MelExtractor::operator()(const torch::Tensor& audio, double keyshift_semitones) const {
  const double factor = std::exp2(keyshift_semitones / 12);
  const std::int64_t n_fft = audio::python_round(config_.n_fft * factor);
  const std::int64_t window = audio::python_round(config_.win_size * factor);
  const std::int64_t hop = config_.hop_size;
  const std::int64_t left = (window - hop) / 2;
  const std::int64_t right = std::max((window - hop + 1) / 2, window - audio.size(1) - left);
  const auto padded = right < audio.size(1) ? nn::pad_reflect_or_zero(audio, left, right)
                                            : torch::constant_pad_nd(audio, {left, right});
  const auto spectrum = nn::stft(padded, n_fft, hop, window);
  torch::Tensor magnitude;
  if (magnitude_ == MelMagnitude::kPlain) {
    magnitude = spectrum.abs();
  } else {
    const auto parts = torch::view_as_real(spectrum);
    magnitude = torch::sqrt(parts.square().sum(-1) + 1e-9);
  }
  if (keyshift_semitones != 0) {
    const std::int64_t bins = config_.n_fft / 2 + 1;
    const std::int64_t missing = std::max<std::int64_t>(0, bins - magnitude.size(1));
    magnitude = torch::constant_pad_nd(magnitude, {0, 0, 0, missing}).slice(1, 0, bins);
    magnitude = magnitude * (static_cast<double>(config_.win_size) / static_cast<double>(window));
  }
  return torch::log(torch::clamp_min(torch::matmul(filters_, magnitude), 1e-5)).transpose(1, 2);
}

}  // namespace greenroom::models::ddsp_svc
