#include "models/ddsp_svc/velocity.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <cmath>

namespace greenroom::models::ddsp_svc {

VelocityNet::VelocityNet(const nn::Weights& scope, Generation generation, const VoiceConfig& config)
    : generation_(generation),
      step1_(nn::Linear::load(scope.sub("diffusion_embedding.1"))),
      step2_(nn::Linear::load(scope.sub("diffusion_embedding.3"))) {
  const Gate gate = gate_of(generation, config.glu_type);
  const int layer_count = scope.count("residual_layers");
  if (generation >= Generation::k63) {
    input_ = nn::Linear::load(scope.sub("input_projection"));
    condition_ = nn::Linear::load(scope.sub("conditioner_projection"));
    output_ = nn::Linear::load(scope.sub("output_projection"));
    for (int i = 0; i < layer_count; ++i) {
      layers_.push_back(
          {{}, {}, ConvModule(scope.sub(fmt::format("residual_layers.{}.net", i)), generation, gate)});
    }
    if (generation == Generation::k63) norm_ = nn::LayerNorm::load(scope.sub("norm"));
    return;
  }
  input_ = load_pointwise(scope.sub("input_projection"));
  output_ = load_pointwise(scope.sub("output_projection"));
  const bool first = generation == Generation::k60;
  for (int i = 0; i < layer_count; ++i) {
    const auto layer = scope.sub(fmt::format("residual_layers.{}", i));
    layers_.push_back(
        {load_pointwise(layer.sub(first ? "diffusion_step_projection" : "diffusion_projection")),
         load_pointwise(layer.sub(first ? "condition_projection" : "conditioner_projection")),
         ConvModule(layer.sub(first ? "conformer.net" : "convmodule.net"), generation, gate)});
  }
  if (!first) norm_ = nn::LayerNorm::load(scope.sub("norm"));
}

std::vector<torch::Tensor> VelocityNet::prepare(const torch::Tensor& condition) const {
  if (generation_ >= Generation::k63) return {condition_(condition)};
  std::vector<torch::Tensor> projected;
  for (const auto& layer : layers_) projected.push_back(layer.condition_projection(condition));
  return projected;
}

torch::Tensor VelocityNet::embed_step(float step) const {
  const auto options = step2_.weight.options();
  const std::int64_t half = step1_.weight.size(1) / 2;
  const double decay = -std::log(10000.0) / static_cast<double>(half - 1);
  const auto angles = torch::exp(torch::arange(half, options) * decay) * step;
  const auto embedded = torch::cat({angles.sin(), angles.cos()}).view({1, 1, -1});
  return step2_(torch::gelu(step1_(embedded)));
}

torch::Tensor VelocityNet::run_layer(const Layer& layer, const torch::Tensor& x, const torch::Tensor& step,
                                     const torch::Tensor& condition) const {
  switch (generation_) {
    case Generation::k60:
    case Generation::k61:
      return x + layer.conv(x + layer.step_projection(step) + condition);
    case Generation::k62: {
      const auto conditioned = x + condition;
      return conditioned + layer.conv(conditioned + layer.step_projection(step));
    }
    case Generation::k63:
    case Generation::k63Glu:
      break;
  }
  return x + layer.conv(x);
}

torch::Tensor VelocityNet::operator()(const torch::Tensor& x, float step,
                                      const std::vector<torch::Tensor>& prepared) const {
  const auto embedded = embed_step(step);
  const bool second_kind = generation_ >= Generation::k63;
  auto h = input_(x);
  if (second_kind) h = h + prepared[0] + embedded;
  if (generation_ == Generation::k60 || generation_ == Generation::k61) h = torch::gelu(h);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    h = run_layer(layers_[i], h, embedded, second_kind ? prepared[0] : prepared[i]);
  }
  if (generation_ == Generation::k63Glu) {
    h = nn::rms_norm(h);
  } else if (generation_ != Generation::k60) {
    h = norm_(h);
  }
  return output_(h);
}

}  // namespace greenroom::models::ddsp_svc
