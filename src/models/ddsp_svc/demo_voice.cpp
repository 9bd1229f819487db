// A 6.3 voice that works without training. Its DDSP half filters the comb with a fixed spectral envelope
// (tilt and formants) times the recording's volume; its flow half pulls the noise onto the DDSP mel at a
// constant rate.
//
// LayerNorm would throw the level of every feature away, so each normalised layer holds anchors: channels at
// a large constant +A and -A. Against them everything else is small, and LayerNorm is a fixed scale 1/sigma
// plus a shift of all channels alike, which reading differences of channels cancels.
#include <spdlog/fmt/fmt.h>

#include <array>
#include <cmath>
#include <vector>

#include "models/ddsp_svc/demo_components.h"

namespace greenroom::models::ddsp_svc {
namespace {

constexpr std::int64_t kHiddenChannels = 512;  // of the stacks, fixed upstream
constexpr std::int64_t kTaps = 31;
constexpr std::int64_t kLines = kDemoWindow / 2 + 1;

// Channels of Unit2Control; of a pair, the second is the first negated.
constexpr int kAnchorPair = 0;
constexpr int kVolumePair = 2;    // kVolumeGain * volume
constexpr int kLoudnessPair = 4;  // kLoudnessGain * ln(volume), made by the first decoder layer
constexpr int kShiftPair = 6;     // formant shift in octaves
constexpr int kContent = 8;       // arbitrary features of the units
constexpr int kContentCount = 12;
constexpr double kAnchor = 60;
constexpr double kVolumeGain = 10;
constexpr double kLoudnessGain = 0.5;

// SwiGLU multiplies by silu(gate); this gate makes that factor 1.
constexpr double kUnitGate = 1.2784645427610738;

constexpr double kNeperPerDb = 0.11512925464970229;

struct Linear {
  DemoTensor &weight, &bias;
};

Linear add_linear(TensorSet& set, const std::string& name, std::int64_t out, std::int64_t in,
                  float gain = 1) {
  auto& weight = set.noise(name + ".weight", {out, in}, gain * unit_gain(in));
  return {weight, set.noise(name + ".bias", {out}, 0.1f * gain)};
}

void add_layer_norm(TensorSet& set, const std::string& name, std::int64_t width) {
  set.constant(name + ".weight", {width}, 1);
  set.constant(name + ".bias", {width}, 0);
}

struct SwigluBlock {
  DemoTensor& taps;
  Linear first, second, last;
};

// LayerNorm, depthwise convolution, Linear, SwiGLU, Linear, SwiGLU, Linear: the block of both halves of the
// voice. `gain` scales what it adds to its input.
SwigluBlock add_swiglu_block(TensorSet& set, const std::string& name, std::int64_t width, float gain) {
  add_layer_norm(set, name + ".0", width);
  auto& taps = set.noise(name + ".2.weight", {width, 1, kTaps}, unit_gain(kTaps));
  set.constant(name + ".2.bias", {width}, 0);
  return {taps, add_linear(set, name + ".4", 2 * width, width),
          add_linear(set, name + ".6", 2 * width, width), add_linear(set, name + ".8", width, width, gain)};
}

// Makes output channel `i` constantly 0.
void silence(const Linear& linear, std::int64_t i) {
  linear.weight.clear_row(i);
  linear.bias.at(i) = 0;
}

// Conv, PReLU, Conv. Only the content channels of its output are used; `gain` scales them.
void add_stack(TensorSet& set, const std::string& name, std::int64_t in, std::int64_t out, float gain) {
  set.noise(name + ".0.bias", {kHiddenChannels}, 0.1f);
  set.weight_norm(name + ".0", {kHiddenChannels, in, 3}, 0, unit_gain(in * 3));
  set.constant(name + ".1.weight", {kHiddenChannels}, 0.25f);
  set.constant(name + ".2.bias", {out}, 0);
  auto& weight =
      set.weight_norm(name + ".2", {out, kHiddenChannels, 3}, 0, gain * unit_gain(kHiddenChannels * 3));
  for (int i = 0; i < kContent; ++i) weight.clear_row(i);
}

void set_pair(DemoTensor& tensor, int pair, double value) {
  tensor.at(pair) = static_cast<float>(value);
  tensor.at(pair + 1) = static_cast<float>(-value);
}

void set_pair_column(DemoTensor& tensor, std::int64_t row, int pair, double value) {
  tensor.at(row, pair) = static_cast<float>(value);
  tensor.at(row, pair + 1) = static_cast<float>(-value);
}

// LayerNorm's divisor when the anchors dominate: sqrt(2 A^2 / D).
double sigma_of(std::int64_t aux_channels) {
  return kAnchor * std::sqrt(2.0 / static_cast<double>(aux_channels));
}

// Turns the first decoder layer into ln(volume), piecewise linear: with slopes S_j between knots t_j,
//   ln v = ln t_last - sum_j (S_j - S_j+1) relu(t_j - v),   relu(x) ~ silu(s x) / s.
void design_loudness(const SwigluBlock& block, std::int64_t width) {
  constexpr int kKnots = 10;
  // A little below the -60 dB of the silence mask; the knots double.
  constexpr double kFirstKnot = 0.0008;
  const double per_volume = sigma_of(width) / (2 * kVolumeGain);
  for (int channel = kVolumePair; channel < kVolumePair + 2; ++channel) {
    block.taps.clear_row(channel);
    block.taps.at(channel, 0, kTaps / 2) = 1;
  }
  block.second.weight.clear_row(0);
  block.second.weight.clear_row(width);
  for (int j = 0; j < kKnots; ++j) {
    const double knot = kFirstKnot * std::exp2(j);
    const double slope = j == 0 ? 1 / knot : 2 * std::log(2.0) / knot;  // from the knot before
    const double next = j == kKnots - 1 ? 0 : std::log(2.0) / knot;     // to the knot behind
    const double steepness = 8 / knot;
    block.first.weight.clear_row(j);
    block.first.bias.at(j) = 1;
    block.first.weight.clear_row(width + j);
    block.first.weight.at(width + j, kVolumePair) = static_cast<float>(-steepness * per_volume);
    block.first.weight.at(width + j, kVolumePair + 1) = static_cast<float>(steepness * per_volume);
    block.first.bias.at(width + j) = static_cast<float>(steepness * knot);
    block.second.weight.at(0, j) = static_cast<float>(-(slope - next) / steepness);
  }
  block.second.bias.at(0) = static_cast<float>(std::log(kFirstKnot * std::exp2(kKnots - 1)));
  block.second.bias.at(width) = static_cast<float>(kUnitGate);
  block.last.weight.at(kLoudnessPair, 0) = static_cast<float>(kLoudnessGain);
  block.last.weight.at(kLoudnessPair + 1, 0) = static_cast<float>(-kLoudnessGain);
}

void add_decoder(TensorSet& set, const DemoVoiceShape& shape) {
  const std::int64_t width = shape.aux_channels;
  for (std::int64_t i = 0; i < shape.aux_layers; ++i) {
    const auto block = add_swiglu_block(
        set, fmt::format("ddsp_model.unit2ctrl.decoder.encoder_layers.{}.conformer.net", i), width,
        /*gain=*/0.3f);
    for (int channel = 0; channel < kContent; ++channel) silence(block.last, channel);
    if (i == 0) design_loudness(block, width);
  }
}

double line_hz(std::int64_t line) {
  return static_cast<double>(line) * kDemoSampleRate / kDemoWindow;
}

// Gain of the vocal tract in nepers at a frequency, and its slope per octave.
struct Envelope {
  double value = 0, slope = 0;
};

Envelope envelope_at(const DemoVoiceShape& shape, double hz) {
  Envelope envelope;
  const double octave = std::log2(std::max(hz, 20.0));
  const double above = octave - std::log2(500.0);
  // A soft corner: tilt * log2(1 + 2^above).
  envelope.value = shape.tilt_db_per_octave * std::log2(1 + std::exp2(above));
  envelope.slope = shape.tilt_db_per_octave * std::exp2(above) / (1 + std::exp2(above));
  for (const auto& formant : shape.formants) {
    const double x = (octave - std::log2(formant.hz)) / formant.octaves;
    const double bump = formant.gain_db * std::exp(-x * x / 2);
    envelope.value += bump;
    envelope.slope -= bump * x / formant.octaves;
  }
  envelope.value *= kNeperPerDb;
  envelope.slope *= kNeperPerDb;
  return envelope;
}

// What makes the DDSP output as loud as the recording: a comb of f0 has an RMS of sqrt(f0 / rate).
double level_nepers(const DemoVoiceShape& shape) {
  constexpr double kTypicalHz = 200;
  double power = 0;
  for (std::int64_t line = 0; line < kLines; ++line)
    power += std::exp(2 * envelope_at(shape, line_hz(line)).value);
  return -0.5 * std::log(kTypicalHz / kDemoSampleRate * power / kLines);
}

// The last layer: [harmonic magnitude, harmonic phase, noise magnitude, noise phase] per spectral line, in
// nepers and half turns.
void add_output(TensorSet& set, const DemoVoiceShape& shape) {
  const std::int64_t width = shape.aux_channels;
  auto& bias = set.constant("ddsp_model.unit2ctrl.dense_out.bias", {4 * kLines}, 0);
  auto& weight = set.weight_norm("ddsp_model.unit2ctrl.dense_out", {4 * kLines, width}, 0, 0.005f);
  const double sigma = sigma_of(width);
  // The comb's partials have the amplitude 2 f0 / rate and the noise a deviation of 1 / 128; this puts the
  // noise about 15 dB below the partials.
  constexpr double kNoiseNepers = 1.3;
  constexpr double kContentNepers = 0.12;  // how far one feature of the units bends the spectrum
  const double level = level_nepers(shape);
  for (std::int64_t line = 0; line < kLines; ++line) {
    const double hz = line_hz(line);
    const Envelope envelope = envelope_at(shape, hz);
    const double turn = M_PI * std::log2(1 + hz / 300) / std::log2(1 + kDemoSampleRate / 2.0 / 300);
    for (const std::int64_t row : {line, 2 * kLines + line}) {
      weight.clear_row(row);
      set_pair_column(weight, row, kLoudnessPair, sigma / (2 * kLoudnessGain));
      set_pair_column(weight, row, kShiftPair, -envelope.slope * sigma / 2);
      for (int i = 0; i < kContentCount; ++i) {
        weight.at(row, kContent + i) = static_cast<float>(sigma * kContentNepers * std::cos((i + 1) * turn));
      }
      bias.at(row) = static_cast<float>(envelope.value + level + (row == line ? 0 : kNoiseNepers));
    }
  }
}

void add_ddsp(TensorSet& set, const DemoVoiceShape& shape) {
  const std::int64_t width = shape.aux_channels;
  set.integer("ddsp_model.sampling_rate", kDemoSampleRate);
  set.integer("ddsp_model.block_size", kDemoBlock);
  set.integer("ddsp_model.win_length", kDemoWindow);
  auto& window = set.constant("ddsp_model.window", {kDemoWindow}, 0);
  for (int i = 0; i < kDemoWindow; ++i) {
    window.at(i) = static_cast<float>(0.5 - 0.5 * std::cos(2 * M_PI * i / kDemoWindow));
  }
  const std::string name = "ddsp_model.unit2ctrl";
  add_linear(set, name + ".f0_embed", width, 1);  // these two are in every file and unused
  add_linear(set, name + ".phase_embed", width, 1);
  auto& volume_weight = set.noise(name + ".volume_embed.weight", {width, 1}, 0.1f);
  auto& volume_bias = set.constant(name + ".volume_embed.bias", {width}, 0);
  auto& shift = set.noise(name + ".aug_shift_embed.weight", {width, 1}, 0.1f);
  for (int i = 0; i < kContent; ++i) volume_weight.at(i) = shift.at(i) = 0;
  set_pair(volume_bias, kAnchorPair, kAnchor);
  set_pair(volume_weight, kVolumePair, kVolumeGain);
  set_pair(shift, kShiftPair, 5.0 / 12);  // the network is given semitones / 5
  const auto speakers = static_cast<std::int64_t>(shape.speaker_shifts_octaves.size());
  if (speakers > 1) {
    auto& table = set.noise(name + ".spk_embed.weight", {speakers, width}, 0.2f);
    for (std::int64_t speaker = 0; speaker < speakers; ++speaker) {
      for (int i = 0; i < kContent; ++i) table.at(speaker, i) = 0;
      const auto octaves =
          static_cast<float>(shape.speaker_shifts_octaves[static_cast<std::size_t>(speaker)]);
      table.at(speaker, kShiftPair) = octaves;
      table.at(speaker, kShiftPair + 1) = -octaves;
    }
  }
  add_stack(set, name + ".stack", shape.units, width, 1);
  add_stack(set, name + ".stack2", 2 * kDemoBlock, width, 0.02f);
  add_decoder(set, shape);
  add_layer_norm(set, name + ".norm", width);
  add_output(set, shape);
}

// v = kPull (norm(cond) - x), which takes x to norm(cond) from any start: ten Euler steps leave 0.4^10 of the
// noise.
void add_flow(TensorSet& set, const DemoVoiceShape& shape) {
  constexpr double kPull = 6;
  constexpr int kAnchors = 32;  // behind the mel channels, alternating +A, -A
  constexpr double kFlowAnchor = 30;
  const std::int64_t width = shape.channels;
  const std::string name = "reflow_model.velocity_fn";
  // norm(m) = (m + 12) / 14 * 2 - 1.
  const auto x = add_linear(set, name + ".input_projection", width, kDemoMels, 0.3f);
  const auto cond = add_linear(set, name + ".conditioner_projection", width, kDemoMels, 0.03f);
  add_linear(set, name + ".diffusion_embedding.1", 4 * width, width);
  const auto step = add_linear(set, name + ".diffusion_embedding.3", width, 4 * width, 0.3f);
  for (int channel = 0; channel < kDemoMels + kAnchors; ++channel) {
    for (const auto& linear : {x, cond, step}) silence(linear, channel);
    if (channel < kDemoMels) {
      x.weight.at(channel, channel) = -1;
      cond.weight.at(channel, channel) = 1.0f / 7;
      cond.bias.at(channel) = 12.0f / 7 - 1;
    } else {
      cond.bias.at(channel) = static_cast<float>(channel % 2 == 0 ? kFlowAnchor : -kFlowAnchor);
    }
  }
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    const auto block = add_swiglu_block(set, fmt::format("{}.residual_layers.{}.net", name, i), width, 0.02f);
    for (int channel = kDemoMels; channel < kDemoMels + kAnchors; ++channel) silence(block.last, channel);
  }
  add_layer_norm(set, name + ".norm", width);
  auto& out = set.constant(name + ".output_projection.weight", {kDemoMels, width}, 0);
  set.constant(name + ".output_projection.bias", {kDemoMels}, 0);
  const double sigma = kFlowAnchor * std::sqrt(kAnchors / static_cast<double>(width));
  for (int mel = 0; mel < kDemoMels; ++mel) {
    out.at(mel, mel) = static_cast<float>(kPull * sigma);
    for (int i = 0; i < kAnchors; ++i) {
      // The anchors sum to LayerNorm's shift, which goes out again.
      out.at(mel, kDemoMels + i) = static_cast<float>(-kPull * sigma / kAnchors);
    }
  }
}

}  // namespace

TensorSet demo_voice(const DemoVoiceShape& shape, std::uint64_t seed) {
  TensorSet set(seed);
  add_ddsp(set, shape);
  add_flow(set, shape);
  return set;
}

}  // namespace greenroom::models::ddsp_svc
