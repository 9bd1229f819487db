#include "models/index_tts/perceiver.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <cmath>

namespace greenroom::models::index_tts {
namespace {

constexpr std::int64_t kHeadDim = 64;  // a literal upstream, whatever the width

}  // namespace

Perceiver::Perceiver(const nn::Weights& weights)
    : latents_(weights.tensor("latents", {-1, -1})),
      projection_(nn::Linear::load(weights.sub("proj_context"))),
      gamma_(weights.tensor("norm.gamma", {latents_.size(1)})) {
  const int layers = weights.count("layers");
  for (int i = 0; i < layers; ++i) {
    const auto attention = weights.sub(fmt::format("layers.{}.0", i));
    const auto feed_forward = weights.sub(fmt::format("layers.{}.1", i));
    layers_.push_back({nn::Linear::load(attention.sub("to_q")), nn::Linear::load(attention.sub("to_kv")),
                       nn::Linear::load(attention.sub("to_out")), nn::Linear::load(feed_forward.sub("0")),
                       nn::Linear::load(feed_forward.sub("2"))});
  }
}

torch::Tensor Perceiver::attend(const Layer& layer, const torch::Tensor& latents,
                                const torch::Tensor& context) {
  const auto by_head = [](const torch::Tensor& t) {
    return t.view({1, t.size(1), t.size(2) / kHeadDim, kHeadDim}).transpose(1, 2);
  };
  const auto kv = layer.kv(torch::cat({latents, context}, 1)).chunk(2, -1);
  const auto attended =
      nn::attention(by_head(layer.q(latents)), by_head(kv[0].contiguous()), by_head(kv[1].contiguous()));
  return layer.out(attended.transpose(1, 2).reshape({1, latents.size(1), -1}));
}

torch::Tensor Perceiver::operator()(const torch::Tensor& context) const {
  const auto projected = projection_(context);
  auto x = latents_.unsqueeze(0);
  for (const auto& layer : layers_) {
    x = x + attend(layer, x, projected);
    const auto halves = layer.up(x).chunk(2, -1);
    x = x + layer.down(halves[0] * torch::gelu(halves[1]));
  }
  // RMSNorm as x / ||x|| * sqrt(width) * gamma
  const auto length = x.norm(2, -1, /*keepdim=*/true).clamp_min(1e-12);
  return x / length * std::sqrt(static_cast<double>(x.size(2))) * gamma_;
}

}  // namespace greenroom::models::index_tts
