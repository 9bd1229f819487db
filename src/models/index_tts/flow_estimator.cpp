#include "models/index_tts/flow_estimator.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <cmath>

#include "base/error.h"
#include "models/index_tts/regulator.h"

namespace greenroom::models::index_tts {
namespace {

constexpr double kNormEps = 1e-5;
constexpr double kFinalNormEps = 1e-6;
constexpr double kTimeScale = 1000;
constexpr double kLongestPeriod = 10000;
constexpr double kRotaryBase = 10000;

torch::Tensor rms_scaled(const torch::Tensor& x) {
  return x * torch::rsqrt(x.square().mean(-1, /*keepdim=*/true) + kNormEps);
}

// [gain | shift] of one time.
torch::Tensor modulate(const torch::Tensor& x, const torch::Tensor& modulation) {
  const std::int64_t width = x.size(-1);
  return torch::addcmul(modulation.slice(0, width), rms_scaled(x), modulation.slice(0, 0, width));
}

// TimestepEmbedder.timestep_embedding(): cosines, then sines.
torch::Tensor time_features(std::span<const float> times, std::int64_t features, torch::Device device) {
  const std::int64_t half = features / 2;
  const auto frequencies = torch::exp(torch::arange(half, torch::kFloat32) *
                                      (-std::log(kLongestPeriod) / static_cast<double>(half)));
  const auto at = torch::tensor(std::vector<float>(times.begin(), times.end())).unsqueeze(1);
  const auto angles = kTimeScale * at * frequencies;
  return torch::cat({torch::cos(angles), torch::sin(angles)}, 1).to(device);
}

// gpt-fast's precompute_freqs_cis(): complex [frames, 1, head_dim / 2].
torch::Tensor rotary_table(std::int64_t frames, std::int64_t head_dim, torch::Device device) {
  const auto exponents = torch::arange(0, head_dim, 2, torch::kFloat32) / static_cast<double>(head_dim);
  const auto frequencies = 1.0 / torch::pow(kRotaryBase, exponents);
  const auto angles = torch::outer(torch::arange(frames, torch::kFloat32), frequencies);
  return torch::polar(torch::ones_like(angles), angles).unsqueeze(1).to(device);
}

// Neighbouring values are the two parts of what is turned. x [batch, frames, heads, head_dim] -> [batch,
// heads, frames, head_dim].
torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& rotations) {
  const auto pairs = torch::view_as_complex(x.unflatten(3, {x.size(3) / 2, 2}));
  return torch::view_as_real(pairs * rotations).flatten(3).transpose(1, 2);
}

}  // namespace

FlowEstimator::AdaNorm FlowEstimator::load_norm(const nn::Weights& weights) {
  return {weights.sub("norm").tensor("weight", {-1}), nn::Linear::load(weights.sub("project_layer"))};
}

void FlowEstimator::load_blocks(const nn::Weights& transformer) {
  const int depth = transformer.count("layers");
  for (int i = 0; i < depth; ++i) {
    const auto layer = transformer.sub(fmt::format("layers.{}", i));
    const auto attention = layer.sub("attention");
    const auto feed = layer.sub("feed_forward");
    Block block{load_norm(layer.sub("attention_norm")),  load_norm(layer.sub("ffn_norm")),
                nn::Linear::load(attention.sub("wqkv")), nn::Linear::load(attention.sub("wo")),
                nn::Linear::load(feed.sub("w1")),        nn::Linear::load(feed.sub("w3")),
                nn::Linear::load(feed.sub("w2")),        {}};
    if (i > depth / 2) block.skip_in = nn::Linear::load(layer.sub("skip_in_linear"));
    blocks_.push_back(std::move(block));
  }
  final_norm_ = load_norm(transformer.sub("norm"));
}

FlowEstimator::FlowEstimator(const nn::Weights& file, int heads)
    : heads_(heads),
      wavenet_(find_s2mel_part(file, "cfm", "estimator.conv1.weight").sub("estimator.wavenet")) {
  const auto weights = find_s2mel_part(file, "cfm", "estimator.conv1.weight").sub("estimator");
  load_ends(weights);
  load_blocks(weights.sub("transformer"));
}

void FlowEstimator::load_ends(const nn::Weights& weights) {
  content_projection_ = nn::Linear::load(weights.sub("cond_projection"));
  conv2_ = {weights.sub("conv2").tensor("weight", {-1, -1, 1}).squeeze(2),
            weights.tensor_or_none("conv2.bias")};
  mels_ = conv2_.weight.size(0);
  const auto merge = nn::Linear::load(weights.sub("cond_x_merge_linear"));
  const std::int64_t content = content_projection_.weight.size(0);
  const std::int64_t style = merge.weight.size(1) - 2 * mels_ - content;
  const std::int64_t width = merge.weight.size(0);
  if (style < 0 || heads_ < 1 || width % (2 * heads_) != 0) {
    throw base::Error(
        base::ErrorCode::kDataLoss,
        fmt::format("{}: the flow's input layer takes {} values and makes {}, which does not fit "
                    "{} mels, {} of content and {} heads",
                    weights.file().path().string(), merge.weight.size(1), width, mels_, content, heads_));
  }
  const auto parts = merge.weight.split_with_sizes({mels_, mels_, content, style}, 1);
  merge_x_ = parts[0];
  merge_reference_ = parts[1];
  merge_content_ = parts[2];
  merge_style_ = parts[3];
  merge_bias_ = merge.bias;
  const auto load_time = [&](const char* name) {
    return TimeEmbedder{nn::Linear::load(weights.sub(name).sub("mlp.0")),
                        nn::Linear::load(weights.sub(name).sub("mlp.2"))};
  };
  transformer_time_ = load_time("t_embedder");
  wavenet_time_ = load_time("t_embedder2");
  skip_ = nn::Linear::load(weights.sub("skip_linear"));
  conv1_ = nn::Linear::load(weights.sub("conv1"));
  residual_ = nn::Linear::load(weights.sub("res_projection"));
  final_modulation_ = nn::Linear::load(weights.sub("final_layer.adaLN_modulation.1"));
  final_linear_ = nn::Linear::load_weight_norm(weights.sub("final_layer.linear"));
}

torch::Tensor FlowEstimator::TimeEmbedder::operator()(const torch::Tensor& features) const {
  return second(torch::silu(first(features)));
}

torch::Tensor FlowEstimator::embed_times(std::span<const float> times) const {
  const auto& weight = transformer_time_.first.weight;
  return transformer_time_(time_features(times, weight.size(1), weight.device()));
}

torch::Tensor FlowEstimator::modulation(const AdaNorm& norm, const torch::Tensor& embedded) const {
  const auto projected = norm.project(embedded).chunk(2, 1);
  return torch::cat({projected[0] * norm.gain, projected[1]}, 1);
}

FlowEstimator::Prepared FlowEstimator::prepare(const FlowCondition& condition, std::span<const float> times,
                                               bool guided, std::int64_t first_frame) const {
  Prepared prepared;
  prepared.first_frame = first_frame;
  const std::int64_t frames = condition.content.size(1);
  const std::int64_t width = merge_bias_.size(0);
  const auto same = torch::linear(condition.style, merge_style_, merge_bias_).unsqueeze(1);
  auto base = torch::linear(content_projection_(condition.content), merge_content_) + same;
  base.slice(1, 0, condition.reference.size(1)).add_(torch::linear(condition.reference, merge_reference_));
  if (guided) {
    // Without condition the projection of the content is its bias.
    const auto unconditional = torch::linear(content_projection_.bias, merge_content_, merge_bias_);
    base = torch::cat({base, unconditional.expand({1, frames, width})}, 0);
  }
  prepared.base = base;
  prepared.rotations = rotary_table(frames, width / heads_, base.device());
  const auto embedded = embed_times(times);
  for (const auto& block : blocks_) {
    prepared.modulations.push_back(modulation(block.attention_norm, embedded));
    prepared.modulations.push_back(modulation(block.feed_norm, embedded));
  }
  prepared.modulations.push_back(modulation(final_norm_, embedded));
  const auto features = time_features(times, wavenet_time_.first.weight.size(1), base.device());
  prepared.gates = wavenet_.condition(wavenet_time_(features));
  prepared.final_modulation = final_modulation_(torch::silu(embedded));
  return prepared;
}

torch::Tensor FlowEstimator::attend(const Block& block, const torch::Tensor& x, std::int64_t first_query,
                                    const torch::Tensor& rotations) const {
  const auto qkv = block.qkv(x).unflatten(2, {3, heads_, -1});
  const auto q = rotate(qkv.select(2, 0).slice(1, first_query), rotations.slice(0, first_query));
  const auto k = rotate(qkv.select(2, 1), rotations);
  const auto v = qkv.select(2, 2).transpose(1, 2);
  return block.out(nn::attention(q, k, v).transpose(1, 2).flatten(2));
}

// The last block and the final norm are computed for the frames from `first_frame` on; its keys and values
// come from all.
torch::Tensor FlowEstimator::transform(torch::Tensor x, std::int64_t time_index, const Prepared& prepared,
                                       std::int64_t first_frame, Stations* stations) const {
  const std::size_t half = blocks_.size() / 2;
  std::vector<torch::Tensor> skips;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const auto& block = blocks_[i];
    if (i > half) {
      x = block.skip_in(torch::cat({x, skips.back()}, 2));
      skips.pop_back();
    }
    const std::int64_t first = i + 1 == blocks_.size() ? first_frame : 0;
    const auto attended =
        attend(block, modulate(x, prepared.modulations[2 * i][time_index]), first, prepared.rotations);
    x = x.slice(1, first) + attended;
    const auto y = modulate(x, prepared.modulations[2 * i + 1][time_index]);
    auto gate = block.gate(y);
    x = x.add_(block.down(torch::silu_(gate).mul_(block.up(y))));
    if (i < half) skips.push_back(x);
    if (stations != nullptr && i == 0) stations->layer0 = x;
  }
  return modulate(x, prepared.modulations.back()[time_index]);
}

torch::Tensor FlowEstimator::run(const torch::Tensor& x, std::int64_t time_index, const Prepared& prepared,
                                 Stations* stations) const {
  // The WaveNet looks a few frames back; its mirrored start does not reach the frames asked for.
  const std::int64_t first = std::max<std::int64_t>(0, prepared.first_frame - wavenet_.context_frames());
  const auto merged = prepared.base + torch::linear(x, merge_x_);
  if (stations != nullptr) stations->merged = merged;
  auto y = transform(merged, time_index, prepared, first, stations);
  if (stations != nullptr) stations->transformer = y;
  y = skip_(torch::cat({y, x.slice(1, first).expand({y.size(0), -1, -1})}, 2));
  auto smooth = wavenet_(conv1_(y).transpose(1, 2).contiguous(), prepared.gates[time_index]);
  if (stations != nullptr) stations->wavenet = smooth;
  const std::int64_t wanted = prepared.first_frame - first;
  y = smooth.slice(2, wanted).transpose(1, 2) + residual_(y.slice(1, wanted));
  const auto modulation = prepared.final_modulation[time_index].chunk(2, 0);  // shift, scale
  y = torch::addcmul(modulation[0], torch::layer_norm(y, {y.size(2)}, {}, {}, kFinalNormEps),
                     modulation[1] + 1);
  return conv2_(final_linear_(y));
}

torch::Tensor FlowEstimator::velocity(const torch::Tensor& x, std::int64_t time_index,
                                      const Prepared& prepared) const {
  return run(x, time_index, prepared, nullptr);
}

}  // namespace greenroom::models::index_tts
