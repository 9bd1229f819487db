#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "models/ddsp_svc/demo_components.h"

namespace greenroom::models::ddsp_svc {
namespace {

DemoTensor& add_linear(TensorSet& set, const std::string& name, std::int64_t out, std::int64_t in,
                       float gain = 1) {
  auto& weight = set.noise(name + ".weight", {out, in}, gain * unit_gain(in));
  set.noise(name + ".bias", {out}, 0.05f * gain);
  return weight;
}

// Takes the mean out of every output's weights. GELU's outputs have a positive mean, which random weights
// would turn into a constant that soon drowns what changes with the recording.
void remove_mean(DemoTensor& weight) {
  const auto width = weight.values.size() / static_cast<std::size_t>(weight.shape[0]);
  for (auto row = weight.values.begin(); row != weight.values.end();
       row += static_cast<std::ptrdiff_t>(width)) {
    const auto end = row + static_cast<std::ptrdiff_t>(width);
    const auto mean = static_cast<float>(std::accumulate(row, end, 0.0) / static_cast<double>(width));
    std::for_each(row, end, [&](float& value) { value -= mean; });
  }
}

void add_layer_norm(TensorSet& set, const std::string& name, std::int64_t width) {
  set.constant(name + ".weight", {width}, 1);
  set.constant(name + ".bias", {width}, 0);
}

// Gives all taps of a kernel one value. The layers behind the first then average over time, and the units
// follow the spectrum rather than the phase of the waveform.
void level_taps(DemoTensor& weight) {
  const std::int64_t taps = weight.shape[2];
  for (std::int64_t i = 0; i < weight.shape[0] * weight.shape[1]; ++i) {
    const auto first = weight.values.begin() + i * taps;
    const double sum = std::accumulate(first, first + taps, 0.0);
    std::fill_n(first, taps, static_cast<float>(sum / std::sqrt(static_cast<double>(taps))));
  }
}

// Untrained attention averages over the whole recording, so it gets little say in the sum.
void add_transformer_layer(TensorSet& set, const std::string& name, const DemoEncoderShape& shape) {
  for (const char* part : {"k_proj", "v_proj", "q_proj"}) {
    add_linear(set, fmt::format("{}.self_attn.{}", name, part), shape.width, shape.width);
  }
  add_linear(set, name + ".self_attn.out_proj", shape.width, shape.width, 0.2f);
  add_layer_norm(set, name + ".self_attn_layer_norm", shape.width);
  add_linear(set, name + ".fc1", shape.inner, shape.width);
  remove_mean(add_linear(set, name + ".fc2", shape.width, shape.inner, 0.5f));
  add_layer_norm(set, name + ".final_layer_norm", shape.width);
}

}  // namespace

TensorSet demo_encoder(const DemoEncoderShape& shape, std::uint64_t seed) {
  TensorSet set(seed);
  set.noise("mask_emb", {shape.width}, 1);
  set.noise("label_embs_concat", {shape.labels, shape.projection}, 1);

  constexpr std::array<std::int64_t, 7> kKernels = {10, 3, 3, 3, 3, 2, 2};
  for (std::size_t i = 0; i < kKernels.size(); ++i) {
    const std::int64_t in = i == 0 ? 1 : shape.conv;
    // 1.8 makes up for what GELU takes away.
    auto& weight = set.noise(fmt::format("feature_extractor.conv_layers.{}.0.weight", i),
                             {shape.conv, in, kKernels[i]}, 1.8f * unit_gain(in * kKernels[i]));
    if (i > 0) {
      remove_mean(weight);
      level_taps(weight);
    }
    if (i == 0) add_layer_norm(set, "feature_extractor.conv_layers.0.2", shape.conv);  // a GroupNorm
  }
  add_layer_norm(set, "layer_norm", shape.conv);
  remove_mean(add_linear(set, "post_extract_proj", shape.width, shape.conv));

  constexpr std::int64_t kGroups = 16;
  constexpr std::int64_t kTaps = 128;
  set.noise("encoder.pos_conv.0.bias", {shape.width}, 0.1f);
  set.weight_norm("encoder.pos_conv.0", {shape.width, shape.width / kGroups, kTaps}, /*axis=*/2,
                  0.3f * unit_gain(shape.width / kGroups * kTaps));
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    add_transformer_layer(set, fmt::format("encoder.layers.{}", i), shape);
  }
  add_layer_norm(set, "encoder.layer_norm", shape.width);
  add_linear(set, "final_proj", shape.projection, shape.width);
  return set;
}

}  // namespace greenroom::models::ddsp_svc
