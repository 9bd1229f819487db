#include "models/ddsp_svc/unit2control.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <numbers>

#include "base/error.h"

namespace greenroom::models::ddsp_svc {
namespace {

torch::Tensor channel_prelu(const torch::Tensor& x, const torch::Tensor& slopes) {
  return torch::where(x >= 0, x, x * slopes.view({1, -1, 1}));
}

}  // namespace

Unit2Control::LonelyAttention Unit2Control::load_attention(const nn::Weights& scope) {
  const auto attn = scope.sub("attn");
  const auto weight = attn.tensor("self_attn.in_proj_weight", {-1, -1});
  const auto bias = attn.tensor("self_attn.in_proj_bias", {-1});
  const std::int64_t width = weight.size(1);
  return {nn::LayerNorm::load(scope.sub("norm")),
          {weight.slice(0, 2 * width, 3 * width), bias.slice(0, 2 * width, 3 * width)},
          nn::Linear::load(attn.sub("self_attn.out_proj")),
          nn::Linear::load(attn.sub("linear1")),
          nn::Linear::load(attn.sub("linear2")),
          nn::LayerNorm::load(attn.sub("norm1")),
          nn::LayerNorm::load(attn.sub("norm2"))};
}

torch::Tensor Unit2Control::LonelyAttention::operator()(const torch::Tensor& x) const {
  const auto input = input_norm(x);
  const auto hidden = norm1(input + out(value(input)));
  return norm2(hidden + down(torch::gelu(up(hidden))));
}

Unit2Control::Unit2Control(const nn::Weights& scope, Generation generation, const VoiceConfig& config)
    : generation_(generation), volume_embed_(nn::Linear::load(scope.sub("volume_embed"))) {
  const Gate gate = gate_of(generation, config.glu_type);
  if (generation == Generation::k60) {
    unit_convs_ = {nn::Conv1d::load_same(scope.sub("stack.0")), nn::Conv1d::load_same(scope.sub("stack.3"))};
    unit_norm_ = nn::GroupNorm::load(scope.sub("stack.1"), 4);
    f0_embed_ = nn::Linear::load(scope.sub("f0_embed"));
    phase_embed_ = nn::Linear::load(scope.sub("phase_embed"));
  } else {
    const auto pair = [&](const std::string& name) {
      return std::vector<nn::Conv1d>{nn::Conv1d::load_same_weight_norm(scope.sub(name + ".0")),
                                     nn::Conv1d::load_same_weight_norm(scope.sub(name + ".2"))};
    };
    unit_convs_ = pair("stack");
    unit_prelu_ = scope.tensor("stack.1.weight", {-1});
    exciter_convs_ = pair("stack2");
    exciter_prelu_ = scope.tensor("stack2.1.weight", {-1});
  }
  speakers_ = scope.tensor_or_none("spk_embed.weight");
  shift_embed_ = scope.tensor_or_none("aug_shift_embed.weight");
  if (generation == Generation::k63Glu) {
    for (int i = 0; i < scope.count("residual_layers"); ++i) {
      layers_.push_back(
          {{}, ConvModule(scope.sub(fmt::format("residual_layers.{}.net", i)), generation, gate)});
    }
    dense_out_ = nn::Linear::load(scope.sub("dense_out"));
    return;
  }
  for (int i = 0; i < scope.count("decoder.encoder_layers"); ++i) {
    const auto layer = scope.sub(fmt::format("decoder.encoder_layers.{}", i));
    std::vector<LonelyAttention> attention;
    if (layer.has("attn.self_attn.in_proj_weight")) attention.push_back(load_attention(layer));
    layers_.push_back({std::move(attention), ConvModule(layer.sub("conformer.net"), generation, gate)});
  }
  norm_ = nn::LayerNorm::load(scope.sub("norm"));
  dense_out_ = nn::Linear::load_weight_norm(scope.sub("dense_out"));
}

torch::Tensor Unit2Control::stem(const ControlInput& input) const {
  const auto units = input.units.transpose(1, 2);
  if (generation_ == Generation::k60) {
    const auto x = torch::leaky_relu(unit_norm_(unit_convs_[0](units)), 0.01);
    return unit_convs_[1](x).transpose(1, 2) + f0_embed_(torch::log1p(input.f0 / 700)) +
           phase_embed_(input.phase / std::numbers::pi);
  }
  const auto exciter = torch::cat({input.source_frames, input.noise_frames}, -1).transpose(1, 2);
  const auto x = unit_convs_[1](channel_prelu(unit_convs_[0](units), unit_prelu_)) +
                 exciter_convs_[1](channel_prelu(exciter_convs_[0](exciter), exciter_prelu_));
  return x.transpose(1, 2);
}

Controls Unit2Control::operator()(const ControlInput& input) const {
  auto x = stem(input) + volume_embed_(input.volume);
  if (speakers_.defined()) {
    for (const auto& [speaker, weight] : input.speakers) x = x + speakers_[speaker - 1] * weight;
  }
  if (shift_embed_.defined()) x = x + shift_embed_.view({1, 1, -1}) * (input.formant_semitones / 5);
  for (const auto& layer : layers_) {
    for (const auto& attention : layer.attention) x = x + attention(x);
    x = x + layer.conv(x);
  }
  x = generation_ == Generation::k63Glu ? nn::rms_norm(x) : norm_(x);
  const auto parts = dense_out_(x).chunk(4, -1);
  return {parts[0], parts[1], parts[2], parts[3], x};
}

}  // namespace greenroom::models::ddsp_svc
