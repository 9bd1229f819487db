#include "models/index_tts/wavenet.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>

#include "base/error.h"

namespace greenroom::models::index_tts {
namespace {

// encodec's pad1d(): mirrored ends; a signal too short to be mirrored is extended with zeros first, and what
// those added is cut off again.
torch::Tensor mirror_ends(const torch::Tensor& x, std::int64_t pad) {
  const std::int64_t missing = std::max<std::int64_t>(0, pad + 1 - x.size(2));
  const auto extended = missing > 0 ? torch::constant_pad_nd(x, {0, missing}) : x;
  const auto padded = torch::reflection_pad1d(extended, {pad, pad});
  return missing > 0 ? padded.slice(2, 0, padded.size(2) - missing) : padded;
}

}  // namespace

Wavenet::Wavenet(const nn::Weights& weights) {
  const auto load = [&](const std::string& name) {
    const auto conv = weights.sub(name + ".conv.conv");
    return nn::Conv1d{conv.folded_weight_norm(), conv.tensor_or_none("bias"), 1, 0, 1, 1};
  };
  const auto condition = load("cond_layer");
  condition_ = {condition.weight.squeeze(2), condition.bias};
  for (int i = 0; i < weights.count("in_layers"); ++i) {
    layers_.push_back({load(fmt::format("in_layers.{}", i)), load(fmt::format("res_skip_layers.{}", i))});
  }
  if (layers_.empty() ||
      condition_.weight.size(0) != static_cast<std::int64_t>(layers_.size()) * layers_[0].in.weight.size(0)) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: \"{}\" does not fit its {} layers", weights.file().path().string(),
                                  weights.full_name("cond_layer"), layers_.size()));
  }
}

torch::Tensor Wavenet::condition(const torch::Tensor& embedded) const {
  return condition_(embedded);
}

torch::Tensor Wavenet::operator()(torch::Tensor x, const torch::Tensor& condition) const {
  const std::int64_t width = x.size(1);
  torch::Tensor sum;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    const std::int64_t first = static_cast<std::int64_t>(i) * 2 * width;
    auto gates = layer.in(mirror_ends(x, layer.in.weight.size(2) / 2));
    gates.add_(condition.slice(0, first, first + 2 * width).view({1, 2 * width, 1}));
    auto filter = gates.slice(1, 0, width);
    auto gate = gates.slice(1, width);
    const auto y = layer.res_skip(filter.tanh_().mul_(gate.sigmoid_()));
    const bool last = i + 1 == layers_.size();
    if (!last) x.add_(y.slice(1, 0, width));
    const auto skip = last ? y : y.slice(1, width);
    sum = sum.defined() ? sum.add_(skip) : skip.clone();
  }
  return sum;
}

std::int64_t Wavenet::context_frames() const {
  std::int64_t frames = 0;
  for (const auto& layer : layers_) frames += layer.in.weight.size(2) / 2;
  return frames;
}

}  // namespace greenroom::models::index_tts
