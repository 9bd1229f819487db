// A vocoder that works without training: a channel vocoder with three bands. The mean log-mel of each band
// becomes an amplitude A (piecewise exponential), the sine source becomes pulses of height A (clipped, so
// that the spectrum's shape does not depend on A), and a band-pass filter per band makes the sum of the three
// follow the mel.
//
// Every step goes through leaky ReLUs. Non-negative channels pass them unchanged; a signed signal s travels
// as the pair s, -s, for leaky(s) - leaky(-s) = (1 + slope) s.
#include <spdlog/fmt/fmt.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "models/ddsp_svc/demo_components.h"

namespace greenroom::models::ddsp_svc {
namespace {

constexpr int kBands = 3;
constexpr double kSlope = 0.1;       // of the leaky ReLUs
constexpr double kLastSlope = 0.01;  // of the one before conv_post
constexpr int kClipStage =
    3;  // after the upsampling to 22050 Hz: high enough for pulses, wide enough for this

// Channels of stage 0. Everything behind kDesigned.. is noise that no designed channel reads.
constexpr int kMelChannel = 0;      // + band: mean log-mel, raised to be non-negative
constexpr int kFirstAmplitude = 3;  // + band
constexpr int kDesignedFirst = 6;
// Channels of stages 1 to 3.
constexpr int kAmplitude = 0;   // + band
constexpr int kSourcePair = 3;  // the sine and its negative
constexpr int kDesigned = 5;
constexpr int kPulses = 5;     // stage 3 only
constexpr int kVoicePair = 6;  // stage 3 only
constexpr int kDesignedClip = 8;
// Stage 4 holds the voice in its first pair.
constexpr int kDesignedLast = 2;

constexpr double kMelRaise = 13;  // log-mel values are above -12

struct Conv {
  DemoTensor &weight, &bias;
};

// One residual step: x += second(leaky(first(leaky(x)))).
struct Step {
  Conv first, second;
};
using Stage = std::vector<std::vector<Step>>;  // [kernel][dilation]

Conv add_conv(TensorSet& set, const std::string& name, std::vector<std::int64_t> shape, float amplitude) {
  const std::int64_t channels = shape[0];
  auto& bias = set.noise(name + ".bias", {channels}, 0.02f);
  return {set.weight_norm(name, std::move(shape), 0, amplitude), bias};
}

void silence(const Conv& conv, int channel) {
  conv.weight.clear_row(channel);
  conv.bias.at(channel) = 0;
}

// The residual branches leave the first `designed` channels alone.
Stage add_stage(TensorSet& set, const DemoVocoderShape& shape, std::int64_t index, std::int64_t channels,
                int designed) {
  Stage stage;
  const auto kernels = static_cast<std::int64_t>(shape.block_kernels.size());
  for (std::int64_t i = 0; i < kernels; ++i) {
    const int taps = shape.block_kernels[static_cast<std::size_t>(i)];
    stage.emplace_back();
    for (std::size_t j = 0; j < shape.dilations.size(); ++j) {
      const std::string name = fmt::format("resblocks.{}", index * kernels + i);
      const Conv first = add_conv(set, fmt::format("{}.convs1.{}", name, j), {channels, channels, taps},
                                  unit_gain(channels * taps));
      const Conv second = add_conv(set, fmt::format("{}.convs2.{}", name, j), {channels, channels, taps},
                                   0.2f * unit_gain(channels * taps));
      for (int channel = 0; channel < designed; ++channel) silence(second, channel);
      stage.back().push_back({first, second});
    }
  }
  return stage;
}

// A transposed convolution twice as long as its stride, with linear interpolation as the kernel of every
// route.
struct Upsampler {
  DemoTensor &weight, &bias;
  int rate;

  void route(int from, int to, double gain) const {
    for (int tap = 0; tap < 2 * rate; ++tap) {
      const double height = 1 - std::abs(tap - (rate - 0.5)) / rate;
      weight.at(from, to, tap) = static_cast<float>(gain * height);
    }
  }
  void route_pair(int from, int to) const {
    const double half = 1 / (1 + kSlope);
    route(from, to, half);
    route(from + 1, to, -half);
    route(from, to + 1, -half);
    route(from + 1, to + 1, half);
  }
};

Upsampler add_upsampler(TensorSet& set, const DemoVocoderShape& shape, int index, std::int64_t channels,
                        int designed) {
  const std::string name = fmt::format("ups.{}", index);
  const int taps = shape.kernels[static_cast<std::size_t>(index)];
  auto& bias = set.noise(name + ".bias", {channels}, 0.02f);
  auto& weight = set.weight_norm(name, {2 * channels, channels, taps}, 0, 0.5f * unit_gain(4 * channels));
  for (int channel = 0; channel < designed; ++channel) {
    weight.clear_column(channel);
    bias.at(channel) = 0;
  }
  return {weight, bias, shape.rates[static_cast<std::size_t>(index)]};
}

// Index of a frequency among the mel filters (Slaney's scale: linear below 1 kHz).
double mel_index(double hz) {
  const auto to_mel = [](double f) {
    return f < 1000 ? f * 3 / 200 : 15 + 27 * std::log(f / 1000) / std::log(6.4);
  };
  const double low = to_mel(kDemoMelMinHz);
  const double high = to_mel(kDemoMelMaxHz);
  return (to_mel(hz) - low) / (high - low) * (kDemoMels + 1) - 1;
}

// conv_pre: the mean log-mel of each band.
void add_input(TensorSet& set, const DemoVocoderShape& shape) {
  constexpr std::int64_t kTaps = 7;
  constexpr std::array<double, kBands + 1> kEdgesHz = {80, 1000, 2600, 8000};
  const Conv conv =
      add_conv(set, "conv_pre", {shape.channels, kDemoMels, kTaps}, 0.1f * unit_gain(kDemoMels * kTaps));
  for (int band = 0; band < kBands; ++band) {
    silence(conv, kMelChannel + band);
    const int first = static_cast<int>(std::ceil(mel_index(kEdgesHz[static_cast<std::size_t>(band)])));
    const int last = static_cast<int>(mel_index(kEdgesHz[static_cast<std::size_t>(band) + 1]));
    for (int mel = first; mel <= last; ++mel) {
      conv.weight.at(kMelChannel + band, mel, kTaps / 2) = 1.0f / static_cast<float>(last - first + 1);
    }
    conv.bias.at(kMelChannel + band) = static_cast<float>(kMelRaise);
  }
}

// A = scale * exp(m), linear between knots t_l = -7, -6, ..: sum_l c_l relu(m - t_l), c_l the change of slope
// at t_l. relu(x) = (leaky(x) - 0.1 x) / 0.9, and m itself comes from a unit that is never negative.
void design_amplitudes(const Stage& stage) {
  constexpr int kKnots = 10;
  constexpr int kUnits = kKnots + 1;  // per band
  constexpr double kScale = 1.2;
  const Step& step = stage[0][0];
  const int centre = static_cast<int>(step.first.weight.shape[2] / 2);
  const auto branches = static_cast<double>(stage.size());  // their outputs are averaged
  for (int band = 0; band < kBands; ++band) {
    const int linear = band * kUnits + kKnots;
    silence(step.first, linear);
    step.first.weight.at(linear, kMelChannel + band, centre) = 1;
    double slope_sum = 0;
    double offset = 0;
    for (int l = 0; l < kKnots; ++l) {
      const double knot = l - 7.0;
      const double rise = kScale * (std::exp(knot + 1) - std::exp(knot));
      const double change = l == 0 ? rise : rise - kScale * (std::exp(knot) - std::exp(knot - 1));
      const int unit = band * kUnits + l;
      silence(step.first, unit);
      step.first.weight.at(unit, kMelChannel + band, centre) = 1;
      step.first.bias.at(unit) = static_cast<float>(-kMelRaise - knot);
      const double gain = branches * change / (1 - kSlope);
      step.second.weight.at(kFirstAmplitude + band, unit, centre) = static_cast<float>(gain);
      slope_sum += kSlope * gain;
      offset += kSlope * gain * (kMelRaise + knot);
    }
    step.second.weight.at(kFirstAmplitude + band, linear, centre) = static_cast<float>(-slope_sum);
    step.second.bias.at(kFirstAmplitude + band) = static_cast<float>(offset);
  }
}

// z = kSteepness (sine - kThreshold), pulses = relu(z) - relu(z - A) = (leaky(z) - leaky(z - A) - 0.1 A) /
// 0.9.
void design_pulses(const Step& step, int band) {
  constexpr double kThreshold = 0.8;  // a fifth of the period: strong partials up to the fifth and beyond
  constexpr double kSteepness = 12;
  const int centre = static_cast<int>(step.first.weight.shape[2] / 2);
  const auto gain = static_cast<float>(kSteepness / (1 + kSlope));
  for (int unit = 0; unit < 3; ++unit) silence(step.first, unit);
  for (int unit = 0; unit < 2; ++unit) {
    step.first.weight.at(unit, kSourcePair, centre) = gain;
    step.first.weight.at(unit, kSourcePair + 1, centre) = -gain;
    step.first.bias.at(unit) = static_cast<float>(-kSteepness * kThreshold);
  }
  step.first.weight.at(1, kAmplitude + band, centre) = -1;
  step.first.weight.at(2, kAmplitude + band, centre) = 1;
  const auto relu = static_cast<float>(1 / (1 - kSlope));
  step.second.weight.at(kPulses, 0, centre) = relu;
  step.second.weight.at(kPulses, 1, centre) = -relu;
  step.second.weight.at(kPulses, 2, centre) = static_cast<float>(-kSlope / (1 - kSlope));
}

// A band-pass filter on the pulses: dilated taps (none at 0 Hz, which also removes the pulses' own mean),
// then a low-pass filter with the same number of taps side by side against the images the dilation makes.
struct BandFilter {
  std::size_t kernel, dilation;     // which residual branch and step
  double centre_hz, half_width_hz;  // of the dilated filter; 0 means (-1/2, 1, -1/2)
  double cutoff_hz;                 // of the low-pass filter
  double gain;
};

double hann(int tap, int half) {
  return 0.5 + 0.5 * std::cos(M_PI * tap / (half + 1));
}

double sinc(double x) {
  return std::abs(x) < 1e-9 ? 1 : std::sin(M_PI * x) / (M_PI * x);
}

std::vector<double> band_pass(int half, double spacing_seconds, double centre_hz, double half_width_hz) {
  std::vector<double> taps;
  double sum = 0;
  double window = 0;
  for (int n = -half; n <= half; ++n) {
    const double t = n * spacing_seconds;
    taps.push_back(hann(n, half) * sinc(2 * half_width_hz * t) * std::cos(2 * M_PI * centre_hz * t));
    sum += taps.back();
    window += hann(n, half);
  }
  double response = 0;
  int n = -half;
  for (auto& tap : taps) {
    tap -= sum * hann(n, half) / window;
    response += tap * std::cos(2 * M_PI * centre_hz * n * spacing_seconds);
    ++n;
  }
  for (auto& tap : taps) tap /= response;
  return taps;
}

std::vector<double> low_pass(int half, double spacing_seconds, double cutoff_hz) {
  std::vector<double> taps;
  double sum = 0;
  for (int n = -half; n <= half; ++n) {
    taps.push_back(hann(n, half) * sinc(2 * cutoff_hz * n * spacing_seconds));
    sum += taps.back();
  }
  for (auto& tap : taps) tap /= sum;
  return taps;
}

void design_filter(const Stage& stage, const DemoVocoderShape& shape, const BandFilter& filter, double rate) {
  const Step& step = stage[filter.kernel][filter.dilation];
  const int taps = shape.block_kernels[filter.kernel];
  const int half = taps / 2;
  const double spacing = shape.dilations[filter.dilation] / rate;
  const auto band = band_pass(half, spacing, filter.centre_hz, filter.half_width_hz);
  const auto low = low_pass(half, 1 / rate, filter.cutoff_hz);
  const double gain = filter.gain * static_cast<double>(stage.size()) / (1 + kSlope);
  for (int unit = 0; unit < 2; ++unit) {
    silence(step.first, unit);
    for (int tap = 0; tap < taps; ++tap) {
      const auto i = static_cast<std::size_t>(tap);
      step.first.weight.at(unit, kPulses, tap) = static_cast<float>(unit == 0 ? band[i] : -band[i]);
      for (int out = 0; out < 2; ++out) {
        step.second.weight.at(kVoicePair + out, unit, tap) =
            static_cast<float>((unit == out ? 1 : -1) * gain * low[i]);
      }
    }
  }
}

void design_clip_stage(const Stage& stage, const DemoVocoderShape& shape) {
  constexpr double kRate = kDemoSampleRate / 2.0;
  // Kernels 11, 7 and 3 with dilations 5, 3 and 3.
  constexpr std::array<BandFilter, kBands> kFilters = {{
      {2, 2, 450, 350, 1500, 0.7},
      {1, 1, 1700, 600, 3000, 1.9},
      {0, 1, 3675, 600, 5000, 9.0},
  }};
  for (int band = 0; band < kBands; ++band) {
    const BandFilter& filter = kFilters[static_cast<std::size_t>(band)];
    design_pulses(stage[filter.kernel][0], band);
    design_filter(stage, shape, filter, kRate);
  }
}

void add_output(TensorSet& set, std::int64_t channels) {
  constexpr int kTaps = 7;
  const Conv conv = add_conv(set, "conv_post", {1, channels, kTaps}, 0);
  silence(conv, 0);
  const auto taps =
      low_pass(kTaps / 2, 1.0 / kDemoSampleRate, 12000);  // against the images of the last upsampling
  for (int tap = 0; tap < kTaps; ++tap) {
    const auto value = static_cast<float>(taps[static_cast<std::size_t>(tap)] / (1 + kLastSlope));
    conv.weight.at(0, 0, tap) = value;
    conv.weight.at(0, 1, tap) = -value;
  }
}

}  // namespace

TensorSet demo_vocoder(const DemoVocoderShape& shape, std::uint64_t seed) {
  TensorSet set(seed);
  add_input(set, shape);
  constexpr std::array<int, 5> kDesignedPerStage = {kDesignedFirst, kDesigned, kDesigned, kDesignedClip,
                                                    kDesignedLast};
  for (int i = 0; i < 5; ++i) {
    const std::int64_t channels = shape.channels >> (i + 1);
    const int designed = kDesignedPerStage[static_cast<std::size_t>(i)];
    const Upsampler up = add_upsampler(set, shape, i, channels, designed);
    const Stage stage = add_stage(set, shape, i, channels, designed);
    if (i == 4) {
      up.route_pair(kVoicePair, 0);
      continue;
    }
    for (int band = 0; band < kBands; ++band) {
      if (i == 0) up.route(kMelChannel + band, kMelChannel + band, 1);
      if (i == 1) up.route(kFirstAmplitude + band, kAmplitude + band, 1);
      if (i > 1) up.route(kAmplitude + band, kAmplitude + band, 1);
    }
    if (i > 1) up.route_pair(kSourcePair, kSourcePair);
    if (i == 0) design_amplitudes(stage);
    if (i == kClipStage) design_clip_stage(stage, shape);
  }
  // The sine joins at stage 1.
  const std::int64_t joined = shape.channels >> 2;
  auto& source = set.noise("source_conv.weight", {joined, 1, 1}, 0.1f);
  set.constant("source_conv.bias", {joined}, 0);
  for (int band = 0; band < kBands; ++band) source.at(kAmplitude + band) = 0;
  source.at(kSourcePair) = 1;
  source.at(kSourcePair + 1) = -1;
  add_output(set, shape.channels >> 5);
  return set;
}

}  // namespace greenroom::models::ddsp_svc
