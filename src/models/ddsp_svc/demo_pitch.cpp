// A pitch net that works without training: the U-Net passes the log-mel spectrogram through unchanged in its
// channel 0, the GRU is made memoryless and linear, and the last layer holds one matched filter per pitch
// bin.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "audio/mel_filters.h"
#include "models/ddsp_svc/demo_components.h"

namespace greenroom::models::ddsp_svc {
namespace {

// RMVPE's own analysis.
constexpr int kRate = 16000;
constexpr int kFft = 1024;
constexpr std::int64_t kMels = 128;
constexpr int kBins = 360;
constexpr int kLevels = 5;
constexpr double kBinCents = 20;
constexpr double kFirstBinCents = 1997.3794084376191;

// The GRU sees kMelScale * (log_mel + kMelCentre), small enough for tanh to be linear within 0.2 %.
constexpr double kMelScale = 0.01;
constexpr double kMelCentre = 5;

// Scores are template . log_mel: about 2 for noise, 4 to 12 for voiced speech, up to 22 for clean tones. The
// logistic function crosses RMVPE's threshold of 0.03 at a score of 3.2 and does not saturate in float32
// before 22.
constexpr double kSlope = 0.8;
constexpr double kMiddle = 7.545;

constexpr int kCarry = 0;  // the channel that carries the log-mel
constexpr int kNoCarry = -1;

void add_batch_norm(TensorSet& set, const std::string& name, std::int64_t channels, float weight,
                    bool carry) {
  auto& gain = set.constant(name + ".weight", {channels}, weight);
  auto& bias = set.noise(name + ".bias", {channels}, 0.1f);
  set.noise(name + ".running_mean", {channels}, 0.1f);
  set.constant(name + ".running_var", {channels}, 1);
  set.integer(name + ".num_batches_tracked", 1);
  if (carry) gain.at(kCarry) = bias.at(kCarry) = 0;
}

// A ConvBlockRes. With a carried channel, output channel kCarry is exactly input channel `carried`: the
// residual branch is switched off there and the shortcut picks it (the identity shortcut of equal widths does
// by itself).
void add_block(TensorSet& set, const std::string& name, std::int64_t in, std::int64_t out, int carried) {
  const bool carry = carried != kNoCarry;
  set.noise(name + ".conv.0.weight", {out, in, 3, 3}, unit_gain(in * 9));
  add_batch_norm(set, name + ".conv.1", out, 1, false);
  set.noise(name + ".conv.3.weight", {out, out, 3, 3}, unit_gain(out * 9));
  // 0.3 keeps activations bounded over the 56 blocks of the published depth.
  add_batch_norm(set, name + ".conv.4", out, 0.3f, carry);
  if (in == out) return;
  auto& shortcut = set.noise(name + ".shortcut.weight", {out, in, 1, 1}, unit_gain(in));
  auto& bias = set.noise(name + ".shortcut.bias", {out}, 0.1f);
  if (!carry) return;
  shortcut.clear_row(kCarry);
  shortcut.at(kCarry, carried) = 1;
  bias.at(kCarry) = 0;
}

void add_blocks(TensorSet& set, const std::string& name, std::int64_t count, std::int64_t in,
                std::int64_t out, int carried) {
  for (std::int64_t i = 0; i < count; ++i) {
    const int source = carried == kNoCarry || i == 0 ? carried : kCarry;
    add_block(set, fmt::format("{}.{}", name, i), i == 0 ? in : out, out, source);
  }
}

void add_unet(TensorSet& set, const DemoPitchShape& shape) {
  auto& input_gain = set.constant("unet.encoder.bn.weight", {1}, 0);
  input_gain.at(0) = static_cast<float>(std::sqrt(1 + 1e-5));  // undoes BatchNorm's epsilon
  set.constant("unet.encoder.bn.bias", {1}, 0);
  set.constant("unet.encoder.bn.running_mean", {1}, 0);
  set.constant("unet.encoder.bn.running_var", {1}, 1);
  set.integer("unet.encoder.bn.num_batches_tracked", 1);

  std::int64_t in = 1;
  for (int level = 0; level < kLevels; ++level) {
    const std::int64_t out = shape.channels << level;
    add_blocks(set, fmt::format("unet.encoder.layers.{}.conv", level), shape.blocks, in, out,
               level == 0 ? 0 : kNoCarry);
    in = out;
  }
  const std::int64_t middle = shape.channels << kLevels;
  for (std::int64_t i = 0; i < shape.middle_layers; ++i) {
    add_blocks(set, fmt::format("unet.intermediate.layers.{}.conv", i), shape.blocks, i == 0 ? in : middle,
               middle, kNoCarry);
  }
  // In every published file, used by none of the published programs.
  for (int level = 0; level < kLevels; ++level) {
    const std::int64_t width = shape.channels << level;
    add_block(set, fmt::format("unet.tf.layers.{}", level), width, width, kNoCarry);
  }
  for (int level = 0; level < kLevels; ++level) {
    const std::int64_t out = shape.channels << (kLevels - 1 - level);
    const std::string name = fmt::format("unet.decoder.layers.{}", level);
    set.noise(name + ".conv1.0.weight", {2 * out, out, 3, 3}, unit_gain(2 * out * 9 / 4));
    add_batch_norm(set, name + ".conv1.1", out, 1, false);
    // The last level finds the log-mel behind its own `out` channels, in the skip connection.
    add_blocks(set, name + ".conv2", shape.blocks, 2 * out, out,
               level == kLevels - 1 ? static_cast<int>(out) + kCarry : kNoCarry);
  }
  auto& last = set.noise("cnn.weight", {3, shape.channels, 3, 3}, unit_gain(shape.channels * 9));
  set.constant("cnn.bias", {3}, 0);
  last.clear_row(0);
  last.at(0, kCarry, 1, 1) = 1;
}

// h' = (1 - z) n + z h with z = sigmoid(-12): no memory. n = tanh(kMelScale (log_mel + kMelCentre)). The
// forward half carries mels 0..63, the backward half mels 64..127. torch stacks the gates as r, z, n.
void add_gru(TensorSet& set, const DemoPitchShape& shape) {
  const std::int64_t hidden = shape.hidden;
  constexpr std::int64_t kHalf = kMels / 2;
  for (int half = 0; half < 2; ++half) {
    const std::string suffix = half == 0 ? "_l0" : "_l0_reverse";
    auto& input =
        set.noise("fc.0.gru.weight_ih" + suffix, {3 * hidden, 3 * kMels}, 0.1f * unit_gain(3 * kMels));
    set.noise("fc.0.gru.weight_hh" + suffix, {3 * hidden, hidden}, 1e-3f * unit_gain(hidden));
    auto& bias = set.constant("fc.0.gru.bias_ih" + suffix, {3 * hidden}, 0);
    set.constant("fc.0.gru.bias_hh" + suffix, {3 * hidden}, 0);
    for (std::int64_t i = 0; i < hidden; ++i) {
      input.clear_row(hidden + i);
      bias.at(hidden + i) = -12;
    }
    for (std::int64_t i = 0; i < kHalf; ++i) {
      const std::int64_t row = 2 * hidden + i;
      input.clear_row(row);
      input.at(row, half * kHalf + i) = static_cast<float>(kMelScale);
      bias.at(row) = static_cast<float>(kMelScale * kMelCentre);
    }
  }
}

// |transform of the Hann window| at `bins` from its centre, 1 in the middle.
double hann_lobe(double bins) {
  const double x = std::abs(bins);
  if (x < 1e-6) return 1;
  if (std::abs(x - 1) < 1e-6) return 0.5;
  return std::abs(std::sin(M_PI * x) / (M_PI * x) / (1 - x * x));
}

using MelRow = std::array<double, kMels>;

// Takes the part out of `row` that a cubic over the mel index explains, which makes the template blind to
// gain and to the overall shape of the spectrum, and normalises the rest.
void whiten(MelRow& row) {
  std::vector<MelRow> basis;
  for (int degree = 0; degree < 4; ++degree) {
    MelRow v;
    for (std::size_t m = 0; m < kMels; ++m)
      v[m] = std::pow(2.0 * static_cast<double>(m) / (kMels - 1) - 1, degree);
    basis.push_back(v);
  }
  basis.push_back(row);  // Gram-Schmidt: the row comes last and is orthogonal to the four before it
  for (std::size_t i = 0; i < basis.size(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double dot = 0;
      for (std::size_t m = 0; m < kMels; ++m) dot += basis[i][m] * basis[j][m];
      for (std::size_t m = 0; m < kMels; ++m) {
        basis[i][m] = j < i ? basis[i][m] - dot * basis[j][m] : basis[i][m] / std::sqrt(dot);
      }
    }
  }
  row = basis.back();
}

// What a harmonic tone of f0 with equal partials looks like in the log-mel spectrogram: high at the partials,
// low between them, the more so the lower the frequency. An octave error meets as many hollows as peaks.
MelRow harmonic_template(double f0, const std::vector<float>& filters) {
  constexpr int kLines = kFft / 2 + 1;
  constexpr double kReach = 8;  // lines; further out the window's side lobes are below -70 dB
  std::array<double, kLines> power{};
  for (int n = 1; n * f0 < kRate / 2.0; ++n) {
    const double centre = n * f0 * kFft / kRate;
    const int first = std::max(0, static_cast<int>(centre - kReach));
    const int last = std::min(kLines - 1, static_cast<int>(centre + kReach));
    for (int k = first; k <= last; ++k) power[k] += std::pow(hann_lobe(k - centre), 2);
  }
  constexpr double kFloor = 0.05;    // how deep a hollow may count
  constexpr double kWeightHz = 400;  // harmonics blur together in the wider filters above
  const double mel_max = 2595 * std::log10(1 + 8000.0 / 700);
  const double mel_min = 2595 * std::log10(1 + 30.0 / 700);
  MelRow row;
  MelRow weight;
  double mean = 0;
  double total = 0;
  for (std::size_t m = 0; m < kMels; ++m) {
    double sum = 0;
    double area = 0;
    for (int k = 0; k < kLines; ++k) {
      const double filter = filters[m * kLines + static_cast<std::size_t>(k)];
      sum += filter * std::sqrt(power[k]);
      area += filter;
    }
    row[m] = std::log(sum / area + kFloor);
    const double mel = mel_min + static_cast<double>(m + 1) * (mel_max - mel_min) / (kMels + 1);
    const double hz = 700 * (std::pow(10, mel / 2595) - 1);
    weight[m] = 1 / std::hypot(1, hz / kWeightHz);
    mean += weight[m] * row[m];
    total += weight[m];
  }
  for (std::size_t m = 0; m < kMels; ++m) row[m] = weight[m] * (row[m] - mean / total);
  whiten(row);
  return row;
}

// Outside the range of voices a bin needs a better score than inside, 1.5 more per octave.
double prior(double f0) {
  return -1.5 * std::max({0.0, std::log2(f0 / 700), std::log2(70 / f0)});
}

void add_output(TensorSet& set, const DemoPitchShape& shape) {
  const std::int64_t hidden = shape.hidden;
  auto& weight = set.noise("fc.1.weight", {kBins, 2 * hidden}, 0.01f * unit_gain(2 * hidden));
  auto& bias = set.constant("fc.1.bias", {kBins}, 0);
  const auto filters =
      audio::mel_filters(kRate, kFft, static_cast<int>(kMels), 30, 8000, audio::MelScale::kHtk);
  for (int bin = 0; bin < kBins; ++bin) {
    const double f0 = 10 * std::exp2((kBinCents * bin + kFirstBinCents) / 1200);
    const MelRow row = harmonic_template(f0, filters);
    for (std::size_t m = 0; m < kMels; ++m) {
      const auto column = static_cast<std::int64_t>(m);
      weight.at(bin, column < kMels / 2 ? column : hidden + column - kMels / 2) =
          static_cast<float>(kSlope * row[m] / kMelScale);
    }
    bias.at(bin) = static_cast<float>(kSlope * (prior(f0) - kMiddle));
  }
}

}  // namespace

TensorSet demo_pitch(const DemoPitchShape& shape, std::uint64_t seed) {
  TensorSet set(seed);
  add_unet(set, shape);
  add_gru(set, shape);
  add_output(set, shape);
  return set;
}

}  // namespace greenroom::models::ddsp_svc
