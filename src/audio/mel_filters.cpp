#include "audio/mel_filters.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace greenroom::audio {
namespace {

// Slaney's scale: linear below 1 kHz, logarithmic above (27 steps for a factor of 6.4).
constexpr double kHzPerLinearMel = 200.0 / 3;
constexpr double kLogStartHz = 1000;
constexpr double kLogStartMel = kLogStartHz / kHzPerLinearMel;

double log_step() {
  return std::log(6.4) / 27;
}

double hz_to_mel(double hz, MelScale scale) {
  if (scale == MelScale::kHtk) return 2595 * std::log10(1 + hz / 700);
  if (hz < kLogStartHz) return hz / kHzPerLinearMel;
  return kLogStartMel + std::log(hz / kLogStartHz) / log_step();
}

double mel_to_hz(double mel, MelScale scale) {
  if (scale == MelScale::kHtk) return 700 * (std::pow(10.0, mel / 2595) - 1);
  if (mel < kLogStartMel) return kHzPerLinearMel * mel;
  return kLogStartHz * std::exp(log_step() * (mel - kLogStartMel));
}

// The n_mels + 2 corner frequencies: filter i rises from corner i to i + 1 and falls to i + 2.
std::vector<double> corners_hz(int n_mels, double min_hz, double max_hz, MelScale scale) {
  const double low = hz_to_mel(min_hz, scale);
  const double high = hz_to_mel(max_hz, scale);
  const double step = (high - low) / (n_mels + 1);
  std::vector<double> corners(static_cast<std::size_t>(n_mels) + 2);
  for (std::size_t i = 0; i < corners.size(); ++i) {
    corners[i] = mel_to_hz(i + 1 == corners.size() ? high : low + static_cast<double>(i) * step, scale);
  }
  return corners;
}

}  // namespace

std::vector<float> mel_filters(int sample_rate, int n_fft, int n_mels, double min_hz, double max_hz,
                               MelScale scale) {
  const std::size_t n_bins = static_cast<std::size_t>(n_fft) / 2 + 1;
  const double bin_hz = static_cast<double>(sample_rate) / n_fft;
  const std::vector<double> corners = corners_hz(n_mels, min_hz, max_hz, scale);
  std::vector<float> filters(static_cast<std::size_t>(n_mels) * n_bins);
  for (std::size_t mel = 0; mel < static_cast<std::size_t>(n_mels); ++mel) {
    const double left = corners[mel];
    const double centre = corners[mel + 1];
    const double right = corners[mel + 2];
    const double unit_area = 2 / (right - left);
    for (std::size_t bin = 0; bin < n_bins; ++bin) {
      const double hz = bin_hz * static_cast<double>(bin);
      const double rising = (hz - left) / (centre - left);
      const double falling = (right - hz) / (right - centre);
      // librosa keeps the triangle in float before it normalises.
      const float triangle = static_cast<float>(std::max(0.0, std::min(rising, falling)));
      filters[mel * n_bins + bin] = static_cast<float>(triangle * unit_area);
    }
  }
  return filters;
}

}  // namespace greenroom::audio
