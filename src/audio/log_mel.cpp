#include "audio/log_mel.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

#include "audio/fft.h"
#include "audio/mel_filters.h"
#include "base/error.h"

namespace greenroom::audio {
namespace {

std::vector<double> mirror_ends(std::span<const float> samples, std::size_t pad) {
  const std::size_t n = samples.size();
  std::vector<double> padded(n + 2 * pad);
  for (std::size_t i = 0; i < pad; ++i) {
    padded[i] = samples[pad - i];
    padded[pad + n + i] = samples[n - 2 - i];
  }
  std::copy(samples.begin(), samples.end(), padded.begin() + static_cast<std::ptrdiff_t>(pad));
  return padded;
}

// A filter touches few bins: first and one past the last with weight.
struct Filter {
  std::size_t first = 0;
  std::size_t end = 0;
};

std::vector<Filter> support(const std::vector<float>& filters, std::size_t bins) {
  std::vector<Filter> result(filters.size() / bins);
  for (std::size_t m = 0; m < result.size(); ++m) {
    const float* row = filters.data() + m * bins;
    const float* end = row + bins;
    const auto weighs = [](float weight) { return weight != 0; };
    result[m].first = static_cast<std::size_t>(std::find_if(row, end, weighs) - row);
    result[m].end = result[m].first;
    for (std::size_t bin = result[m].first; bin < bins; ++bin) {
      if (row[bin] != 0) result[m].end = bin + 1;
    }
  }
  return result;
}

}  // namespace

std::int64_t log_mel_frames(std::int64_t samples, const LogMelSettings& settings) {
  const std::int64_t pad = (settings.n_fft - settings.hop) / 2;
  const std::int64_t padded = samples + 2 * pad;
  return padded < settings.n_fft ? 0 : (padded - settings.n_fft) / settings.hop + 1;
}

std::vector<float> log_mel(std::span<const float> samples, const LogMelSettings& settings) {
  const auto n_fft = static_cast<std::size_t>(settings.n_fft);
  const auto hop = static_cast<std::size_t>(settings.hop);
  const std::size_t pad = (n_fft - hop) / 2;
  if (samples.size() <= pad || log_mel_frames(static_cast<std::int64_t>(samples.size()), settings) < 1) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("the recording is too short for a mel spectrogram: {} samples at {} Hz, {} are the least",
                    samples.size(), settings.sample_rate, std::max(pad + 1, n_fft - 2 * pad)));
  }
  const std::size_t bins = n_fft / 2 + 1;
  const auto mels = static_cast<std::size_t>(settings.mels);
  const auto filters = mel_filters(settings.sample_rate, settings.n_fft, settings.mels, settings.min_hz,
                                   settings.max_hz, MelScale::kSlaney);
  const auto reach = support(filters, bins);
  const RealFft fft(n_fft);
  std::vector<double> window(n_fft);
  for (std::size_t i = 0; i < n_fft; ++i) {
    window[i] =
        0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n_fft));
  }
  const auto padded = mirror_ends(samples, pad);
  const std::size_t frames = (padded.size() - n_fft) / hop + 1;
  std::vector<float> result(mels * frames);
  std::vector<double> frame(n_fft);
  std::vector<std::complex<double>> spectrum(bins);
  for (std::size_t t = 0; t < frames; ++t) {
    for (std::size_t i = 0; i < n_fft; ++i) frame[i] = padded[t * hop + i] * window[i];
    fft.transform(frame, spectrum);
    for (auto& bin : spectrum) bin = std::sqrt(std::norm(bin) + 1e-9);
    for (std::size_t m = 0; m < mels; ++m) {
      double energy = 0;
      for (std::size_t bin = reach[m].first; bin < reach[m].end; ++bin) {
        energy += filters[m * bins + bin] * spectrum[bin].real();
      }
      result[m * frames + t] = static_cast<float>(std::log(std::max(energy, 1e-5)));
    }
  }
  return result;
}

}  // namespace greenroom::audio
