#include "models/index_tts/speech_encoder.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace greenroom::models::index_tts {
namespace {

// Queries whose scores are made at a time, so that they stay in the cache.
constexpr std::int64_t kQuerySlice = 128;

torch::Tensor pointwise(const nn::Weights& weights) {
  return weights.tensor("weight", {-1, -1, 1}).squeeze(2);
}

}  // namespace

SpeechEncoder::FeedForward SpeechEncoder::load_feed_forward(const nn::Weights& layer, const char* norm,
                                                            const char* net) const {
  return {nn::LayerNorm::load(layer.sub(norm), config_.layer_norm_eps),
          nn::Linear::load(layer.sub(net).sub("intermediate_dense")),
          nn::Linear::load(layer.sub(net).sub("output_dense"))};
}

SpeechEncoder::Layer SpeechEncoder::load_layer(const nn::Weights& weights) const {
  const auto attention = weights.sub("self_attn");
  const auto conv = weights.sub("conv_module");
  return {load_feed_forward(weights, "ffn1_layer_norm", "ffn1"),
          load_feed_forward(weights, "ffn2_layer_norm", "ffn2"),
          nn::LayerNorm::load(weights.sub("self_attn_layer_norm"), config_.layer_norm_eps),
          nn::LayerNorm::load(conv.sub("layer_norm"), config_.layer_norm_eps),
          nn::LayerNorm::load(conv.sub("depthwise_layer_norm"), config_.layer_norm_eps),
          nn::LayerNorm::load(weights.sub("final_layer_norm"), config_.layer_norm_eps),
          nn::Linear::load(attention.sub("linear_q")),
          nn::Linear::load(attention.sub("linear_k")),
          nn::Linear::load(attention.sub("linear_v")),
          nn::Linear::load(attention.sub("linear_out")),
          attention.sub("distance_embedding").tensor("weight", {-1, -1}),
          pointwise(conv.sub("pointwise_conv1")),
          conv.sub("depthwise_conv").tensor("weight", {-1, 1, -1}),
          pointwise(conv.sub("pointwise_conv2"))};
}

SpeechEncoder::SpeechEncoder(const nn::Weights& file, const SpeechEncoderConfig& config, int layers)
    : config_(config) {
  feature_norm_ = nn::LayerNorm::load(file.sub("feature_projection.layer_norm"), config_.layer_norm_eps);
  projection_ = nn::Linear::load(file.sub("feature_projection.projection"));
  const int present = std::min(layers, file.count("encoder.layers"));
  for (int i = 0; i < present; ++i)
    layers_.push_back(load_layer(file.sub(fmt::format("encoder.layers.{}", i))));
  if (layers_.empty()) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: not a w2v-bert 2.0 checkpoint: \"encoder.layers.0\" is missing",
                                  file.file().path().string()));
  }
  const auto& table = layers_.front().distances;
  const std::int64_t width = projection_.weight.size(0);
  if (table.size(0) != config_.left_positions + config_.right_positions + 1 ||
      table.size(1) * config_.attention_heads != width) {
    throw base::Error(
        base::ErrorCode::kDataLoss,
        fmt::format("{}: the distance table is [{}, {}], which does not fit a width of {} with {} "
                    "heads and {} + {} positions (config.json)",
                    file.file().path().string(), table.size(0), table.size(1), width, config_.attention_heads,
                    config_.left_positions, config_.right_positions));
  }
}

torch::Tensor SpeechEncoder::FeedForward::operator()(const torch::Tensor& x) const {
  auto inner = up(norm(x));
  return down(torch::silu_(inner));
}

torch::Tensor SpeechEncoder::Layer::attend(const torch::Tensor& x, const torch::Tensor& padding,
                                           const torch::Tensor& distance_index) const {
  const std::int64_t steps = x.size(1);
  const std::int64_t head_dim = distances.size(1);
  const auto heads = [&](const torch::Tensor& y) {
    return y.view({1, steps, -1, head_dim}).transpose(1, 2);  // [1, heads, steps, head_dim]
  };
  const auto queries = heads(q(x)) / std::sqrt(static_cast<double>(head_dim));
  const auto keys = heads(k(x)).transpose(2, 3).contiguous();
  const auto values = heads(v(x)).contiguous();
  const auto by_distance = torch::matmul(queries, distances.t());  // [1, heads, steps, left + right + 1]
  const auto hidden = padding.view({1, 1, 1, steps});
  std::vector<torch::Tensor> parts;
  for (std::int64_t start = 0; start < steps; start += kQuerySlice) {
    const std::int64_t end = std::min(start + kQuerySlice, steps);
    auto scores = torch::matmul(queries.slice(2, start, end), keys);
    const auto index = distance_index.slice(0, start, end).expand({1, scores.size(1), end - start, steps});
    scores.add_(by_distance.slice(2, start, end).gather(3, index));
    scores.masked_fill_(hidden, std::numeric_limits<float>::lowest());
    parts.push_back(torch::matmul(torch::softmax(scores, -1), values));
  }
  return out(torch::cat(parts, 2).transpose(1, 2).reshape({1, steps, -1}));
}

torch::Tensor SpeechEncoder::Layer::convolve(const torch::Tensor& x, const torch::Tensor& padding) const {
  auto y = conv_norm(x).masked_fill_(padding.unsqueeze(2), 0);
  y = torch::glu(torch::linear(y, pointwise1), -1).transpose(1, 2);  // [1, width, steps]
  y = torch::constant_pad_nd(y, {depthwise.size(2) - 1, 0});
  y = nn::Conv1d{depthwise, {}, 1, 0, 1, depthwise.size(0)}(y).transpose(1, 2);
  y = depthwise_norm(y.contiguous());
  return torch::linear(torch::silu_(y), pointwise2);
}

torch::Tensor SpeechEncoder::Layer::operator()(torch::Tensor x, const torch::Tensor& padding,
                                               const torch::Tensor& distance_index) const {
  x = x.add(before(x), 0.5);
  x = x.add_(attend(attention_norm(x), padding, distance_index));
  x = x.add_(convolve(x, padding));
  x = x.add_(after(x), 0.5);
  return final_norm(x);
}

torch::Tensor SpeechEncoder::project(const torch::Tensor& features, const torch::Tensor& padding) const {
  return projection_(feature_norm_(features)).masked_fill_(padding.unsqueeze(2), 0);
}

// clamp(key - query, -left, right) + left
torch::Tensor SpeechEncoder::distance_index(std::int64_t steps, torch::Device device) const {
  const auto position = torch::arange(steps, torch::TensorOptions().dtype(torch::kInt64).device(device));
  return torch::clamp(position.unsqueeze(0) - position.unsqueeze(1), -config_.left_positions,
                      config_.right_positions) +
         config_.left_positions;
}

torch::Tensor SpeechEncoder::operator()(const torch::Tensor& features, const torch::Tensor& mask) const {
  const auto padding = mask == 0;
  const auto index = distance_index(features.size(1), features.device());
  auto x = project(features, padding);
  for (const auto& layer : layers_) x = layer(x, padding, index);
  return x;
}

std::vector<torch::Tensor> SpeechEncoder::hidden_states(const torch::Tensor& features,
                                                        const torch::Tensor& mask) const {
  const auto padding = mask == 0;
  const auto index = distance_index(features.size(1), features.device());
  std::vector<torch::Tensor> states{project(features, padding)};
  for (const auto& layer : layers_) states.push_back(layer(states.back(), padding, index));
  return states;
}

SpeechScale::SpeechScale(const nn::Weights& file)
    : mean_(file.tensor("mean", {-1})), deviation_(file.keep(torch::sqrt(file.peek("var")), "var")) {}

torch::Tensor SpeechScale::operator()(const torch::Tensor& encoded) const {
  return (encoded - mean_) / deviation_;
}

}  // namespace greenroom::models::index_tts
