#include "audio/speech_features.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numbers>
#include <numeric>

#include "audio/fft.h"
#include "base/error.h"

namespace greenroom::audio {
namespace {

constexpr std::size_t kFftSize = 512;
constexpr std::size_t kBins = kFftSize / 2 + 1;
constexpr std::size_t kMels = kSpeechMels;
constexpr double kPreEmphasis = 0.97;
constexpr double kEnergyFloor = 1.192092955078125e-07;
constexpr double kLowHz = 20;
constexpr double kHighHz = 8000;
constexpr float kPadding = 1;  // preprocessor_config.json of w2v-bert-2.0: padding_value

double hz_to_mel(double hz) {
  return 1127 * std::log(1 + hz / 700);
}

// Triangles that are linear in mels, not normalised: [bin][mel].
struct FilterBank {
  std::vector<double> weights = std::vector<double>(kBins * kMels);

  FilterBank() {
    const double low = hz_to_mel(kLowHz);
    const double step = (hz_to_mel(kHighHz) - low) / (kMels + 1);
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      const double mel = hz_to_mel(static_cast<double>(bin) * kSpeechRate / kFftSize);
      for (std::size_t m = 0; m < kMels; ++m) {
        const double rising = (mel - low) / step - static_cast<double>(m);
        weights[bin * kMels + m] = std::max(0.0, std::min(rising, 2 - rising));
      }
    }
  }
};

// torch.hann_window(400, periodic=False) ** 0.85
std::vector<double> povey_window() {
  std::vector<double> window(kSpeechFrameSamples);
  for (std::size_t i = 0; i < window.size(); ++i) {
    const double turn = static_cast<double>(i) / static_cast<double>(window.size() - 1);
    window[i] = std::pow(0.5 - 0.5 * std::cos(2 * std::numbers::pi * turn), 0.85);
  }
  return window;
}

void shape_frame(std::vector<double>& frame, const std::vector<double>& window) {
  const double mean = std::accumulate(frame.begin(), frame.end(), 0.0) / static_cast<double>(frame.size());
  for (double& sample : frame) sample -= mean;
  for (std::size_t i = frame.size() - 1; i > 0; --i) frame[i] -= kPreEmphasis * frame[i - 1];
  frame[0] *= 1 - kPreEmphasis;
  for (std::size_t i = 0; i < frame.size(); ++i) frame[i] *= window[i];
}

void log_mels(std::span<const std::complex<double>> bins, const FilterBank& bank, float* out) {
  std::array<double, kMels> mels{};
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    // The spectrum is kept as complex64 upstream, its power taken in double.
    const auto re = static_cast<double>(static_cast<float>(bins[bin].real()));
    const auto im = static_cast<double>(static_cast<float>(bins[bin].imag()));
    const double power = re * re + im * im;
    const double* weights = bank.weights.data() + bin * kMels;
    for (std::size_t m = 0; m < kMels; ++m) mels[m] += power * weights[m];
  }
  for (std::size_t m = 0; m < kMels; ++m) {
    out[m] = static_cast<float>(std::log(std::max(mels[m], kEnergyFloor)));
  }
}

// Mean over time of each bin of [frames, 80].
std::array<double, kMels> bin_means(const std::vector<float>& features) {
  std::array<double, kMels> means{};
  for (std::size_t i = 0; i < features.size(); ++i) means[i % kMels] += features[i];
  const std::size_t frames = features.size() / kMels;
  for (double& mean : means) mean /= static_cast<double>(frames);
  return means;
}

}  // namespace

std::int64_t speech_frames(std::int64_t samples) {
  return samples < kSpeechFrameSamples ? 0 : 1 + (samples - kSpeechFrameSamples) / kSpeechHopSamples;
}

std::vector<float> kaldi_fbank(std::span<const float> samples, double scale) {
  static const FilterBank bank;
  static const std::vector<double> window = povey_window();
  static const RealFft fft(kFftSize);
  const auto frames = static_cast<std::size_t>(speech_frames(static_cast<std::int64_t>(samples.size())));
  std::vector<float> features(frames * kMels);
  std::vector<double> frame(kSpeechFrameSamples);
  std::vector<std::complex<double>> bins(kBins);
  for (std::size_t i = 0; i < frames; ++i) {
    const float* start = samples.data() + i * kSpeechHopSamples;
    std::transform(start, start + kSpeechFrameSamples, frame.begin(),
                   [scale](float sample) { return static_cast<double>(sample) * scale; });
    shape_frame(frame, window);
    fft.transform(frame, bins);
    log_mels(bins, bank, features.data() + i * kMels);
  }
  return features;
}

void subtract_mean(std::vector<float>& features) {
  const auto means = bin_means(features);
  for (std::size_t i = 0; i < features.size(); ++i) features[i] -= static_cast<float>(means[i % kMels]);
}

SteppedFeatures seamless_features(std::span<const float> samples) {
  std::vector<float> features = kaldi_fbank(samples, 32768);
  const std::size_t frames = features.size() / kMels;
  if (frames < 2) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("the recording is too short for speech features: {} samples at {} Hz, {} are "
                    "the least",
                    samples.size(), kSpeechRate, kSpeechFrameSamples + kSpeechHopSamples));
  }
  const auto means = bin_means(features);
  std::array<double, kMels> squares{};
  for (std::size_t i = 0; i < features.size(); ++i) {
    const double centred = features[i] - means[i % kMels];
    squares[i % kMels] += centred * centred;
  }
  std::array<double, kMels> scales{};
  for (std::size_t m = 0; m < kMels; ++m) {
    scales[m] = 1 / std::sqrt(squares[m] / static_cast<double>(frames - 1) + 1e-7);
  }
  for (std::size_t i = 0; i < features.size(); ++i) {
    features[i] = static_cast<float>((features[i] - means[i % kMels]) * scales[i % kMels]);
  }
  SteppedFeatures result;
  result.mask.assign((frames + 1) / 2, 1);
  if (frames % 2 == 1) {
    features.insert(features.end(), kMels, kPadding);
    result.mask.back() = 0;
  }
  result.values = std::move(features);
  return result;
}

}  // namespace greenroom::audio
