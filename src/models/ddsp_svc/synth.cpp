#include "models/ddsp_svc/synth.h"

#include <torch/torch.h>

#include <numbers>

#include "nn/spectral.h"

namespace greenroom::models::ddsp_svc {
namespace {

torch::Tensor duplicate_last_frame(const torch::Tensor& x) {
  return torch::cat({x, x.slice(1, x.size(1) - 1)}, 1);
}

// STFT of the source times exp(magnitude + i pi phase) / divisor, [1, bins, frames + 1].
torch::Tensor filtered_spectrum(const torch::Tensor& source, const torch::Tensor& log_magnitude,
                                const torch::Tensor& phase, double divisor, std::int64_t win_length,
                                std::int64_t hop) {
  const auto padded = nn::pad_reflect_or_zero(source, win_length / 2, win_length / 2);
  const auto filter = torch::polar(torch::exp(log_magnitude) / divisor, phase * std::numbers::pi);
  return nn::stft(padded, win_length, hop, win_length) * duplicate_last_frame(filter).transpose(1, 2);
}

}  // namespace

CombSource comb_source(const torch::Tensor& f0, int sample_rate, std::int64_t hop) {
  const auto n = torch::arange(hop, f0.options());
  const auto s0 = f0 / sample_rate;
  const auto ds0 = torch::constant_pad_nd(s0.slice(1, 1) - s0.slice(1, 0, s0.size(1) - 1), {0, 0, 0, 1});
  auto rad = s0 * (n + 1) + 0.5 * ds0 * n * (n + 1) / hop;
  const auto frequency = s0 + ds0 * n / hop;
  const auto advance = torch::fmod(rad.slice(2, hop - 1) + 0.5, 1.0) - 0.5;
  const auto start = torch::fmod(advance.cumsum(1), 1.0);
  rad = rad + torch::constant_pad_nd(start.slice(1, 0, start.size(1) - 1), {0, 0, 1, 0});
  rad = rad - torch::round(rad);
  return {torch::sinc(rad / (frequency + 1e-5)), 2 * std::numbers::pi * rad.slice(2, 0, 1)};
}

torch::Tensor filter_sources(const torch::Tensor& comb, const torch::Tensor& noise, const Controls& controls,
                             std::int64_t win_length, std::int64_t hop) {
  auto spectrum =
      filtered_spectrum(comb, controls.harmonic_magnitude, controls.harmonic_phase, 1.0, win_length, hop);
  spectrum.add_(
      filtered_spectrum(noise, controls.noise_magnitude, controls.noise_phase, 128.0, win_length, hop));
  return nn::istft_centered(spectrum, win_length, hop);
}

}  // namespace greenroom::models::ddsp_svc
