#include "models/index_tts/emotion_llm.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "models/index_tts/code_search.h"
#include "nn/row_kernels.h"

namespace greenroom::models::index_tts {
namespace {

using base::Error;
using base::ErrorCode;

// A few rows on the CPU go through the kernels that are made for them.
torch::Tensor apply(const nn::Linear& linear, const torch::Tensor& x) {
  constexpr std::int64_t kFewRows = 8;
  const auto& weight = linear.weight;
  if (!x.device().is_cpu() || x.size(0) > kFewRows || weight.scalar_type() != torch::kFloat32)
    return linear(x);
  const auto rows = x.contiguous();
  auto y = torch::empty({x.size(0), weight.size(0)}, x.options());
  nn::multiply_rows_transposed({rows.data_ptr<float>(), weight.data_ptr<float>(),
                                linear.bias.defined() ? linear.bias.data_ptr<float>() : nullptr,
                                y.data_ptr<float>(), x.size(0), weight.size(1), weight.size(0)});
  return y;
}

// modeling_qwen3.py Qwen3RotaryEmbedding: [2, tokens, head_dim], cosines and sines, float32.
torch::Tensor rotation(std::int64_t first, std::int64_t count, std::int64_t head_dim, double theta,
                       torch::Device device) {
  const auto exponents =
      torch::arange(0, head_dim, 2, torch::kFloat32).to(device) / static_cast<double>(head_dim);
  const auto rates = 1.0 / torch::pow(theta, exponents);
  const auto places = torch::arange(first, first + count, torch::kFloat32).to(device);
  const auto angles = (places.unsqueeze(1) * rates).repeat({1, 2});
  return torch::stack({angles.cos(), angles.sin()});
}

// apply_rotary_pos_emb() with halves, not pairs. x: [tokens, heads, head_dim]
torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& turn) {
  const auto halves = x.chunk(2, -1);
  const auto turned = torch::cat({-halves[1], halves[0]}, -1);
  return x * turn[0].unsqueeze(1) + turned * turn[1].unsqueeze(1);
}

}  // namespace

EmotionLlm::EmotionLlm(const nn::Weights& weights, const EmotionLlmConfig& config) : config_(config) {
  const auto model = weights.sub("model");
  embedding_ = model.tensor("embed_tokens.weight", {-1, -1});
  const std::int64_t width = embedding_.size(1);
  const std::int64_t q_width = static_cast<std::int64_t>(config.attention_heads) * config.head_dim;
  const std::int64_t kv_width = static_cast<std::int64_t>(config.key_value_heads) * config.head_dim;
  const auto linear = [](const nn::Weights& scope, const char* name, std::int64_t out, std::int64_t in) {
    const auto own = scope.sub(name);
    return nn::Linear{own.tensor("weight", {out, in}), own.tensor_or_none("bias")};
  };
  const int layers = model.count("layers");
  for (int i = 0; i < layers; ++i) {
    const auto scope = model.sub(fmt::format("layers.{}", i));
    const auto attention = scope.sub("self_attn");
    const auto mlp = scope.sub("mlp");
    layers_.push_back(
        {scope.tensor("input_layernorm.weight", {width}),
         scope.tensor("post_attention_layernorm.weight", {width}),
         attention.tensor("q_norm.weight", {config.head_dim}),
         attention.tensor("k_norm.weight", {config.head_dim}), linear(attention, "q_proj", q_width, width),
         linear(attention, "k_proj", kv_width, width), linear(attention, "v_proj", kv_width, width),
         linear(attention, "o_proj", width, q_width), linear(mlp, "gate_proj", -1, width),
         linear(mlp, "up_proj", -1, width), linear(mlp, "down_proj", width, -1)});
  }
  norm_ = model.tensor("norm.weight", {width});
  head_.weight = weights.has("lm_head.weight") ? weights.tensor("lm_head.weight", {-1, width}) : embedding_;
  const bool fits = layers > 0 && config.key_value_heads > 0 && config.head_dim % 2 == 0 &&
                    config.attention_heads % config.key_value_heads == 0;
  if (!fits) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: {} layers with {} attention and {} key-value heads of {} are no Qwen3",
                            weights.file().path().string(), layers, config.attention_heads,
                            config.key_value_heads, config.head_dim));
  }
}

EmotionLlm::Cache EmotionLlm::make_cache(std::int64_t capacity) const {
  Cache cache;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    cache.keys.push_back(
        torch::empty({config_.key_value_heads, capacity, config_.head_dim}, embedding_.options()));
    cache.values.push_back(torch::empty_like(cache.keys.back()));
  }
  return cache;
}

torch::Tensor EmotionLlm::normalize(const torch::Tensor& x, const torch::Tensor& weight) const {
  const auto wide = x.to(torch::kFloat32);
  const auto factor = torch::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + config_.rms_norm_eps);
  return weight * (wide * factor).to(x.scalar_type());
}

torch::Tensor EmotionLlm::attend(std::size_t layer, const torch::Tensor& x, const torch::Tensor& turn,
                                 Cache& cache) const {
  const auto& weights = layers_[layer];
  const std::int64_t tokens = x.size(0);
  const std::int64_t end = cache.length + tokens;
  const std::int64_t dim = config_.head_dim;
  const std::int64_t groups = config_.key_value_heads;
  const auto by_head = [&](const torch::Tensor& t) { return t.view({tokens, -1, dim}); };
  const auto q = rotate(normalize(by_head(apply(weights.q, x)), weights.q_norm), turn);
  const auto k = rotate(normalize(by_head(apply(weights.k, x)), weights.k_norm), turn);
  cache.keys[layer].slice(1, cache.length, end).copy_(k.transpose(0, 1));
  cache.values[layer].slice(1, cache.length, end).copy_(by_head(apply(weights.v, x)).transpose(0, 1));
  // The query heads of a group share its keys: [kv_heads, heads per group * tokens, head_dim].
  const std::int64_t shared = config_.attention_heads / groups;
  const auto queries = q.view({tokens, groups, shared, dim}).permute({1, 2, 0, 3}).reshape({groups, -1, dim});
  auto scores = torch::bmm(queries, cache.keys[layer].slice(1, 0, end).transpose(1, 2)) /
                std::sqrt(static_cast<double>(dim));
  if (tokens > 1) {
    const auto later =
        torch::ones({tokens, end}, scores.options().dtype(torch::kBool)).triu(cache.length + 1);
    scores.view({groups, shared, tokens, end}).masked_fill_(later, -std::numeric_limits<double>::infinity());
  }
  const auto p = torch::softmax(scores, -1, torch::kFloat32).to(x.scalar_type());
  const auto attended = torch::bmm(p, cache.values[layer].slice(1, 0, end));
  const auto merged = attended.view({groups, shared, tokens, dim}).permute({2, 0, 1, 3});
  return apply(weights.out, merged.reshape({tokens, -1}));
}

torch::Tensor EmotionLlm::run(std::span<const std::int64_t> tokens, Cache& cache) const {
  const auto count = static_cast<std::int64_t>(tokens.size());
  const auto ids = torch::tensor(std::vector<std::int64_t>(tokens.begin(), tokens.end()), torch::kInt64);
  auto x = embedding_.index_select(0, ids.to(embedding_.device()));
  const auto turn =
      rotation(cache.length, count, config_.head_dim, config_.rope_theta, x.device()).to(x.scalar_type());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    x = x + attend(i, normalize(x, layer.attention_norm), turn, cache);
    const auto y = normalize(x, layer.feed_forward_norm);
    x = x + apply(layer.down, torch::silu(apply(layer.gate, y)) * apply(layer.up, y));
  }
  cache.length += count;
  return normalize(x, norm_);
}

torch::Tensor EmotionLlm::score(const torch::Tensor& hidden) const {
  return apply(head_, hidden).to(torch::kFloat32);
}

std::vector<std::int64_t> EmotionLlm::generate(const LlmRequest& request) const {
  const auto size = static_cast<std::int64_t>(request.prompt.size());
  if (size == 0 || size + request.max_new_tokens > config_.max_position_embeddings) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the emotion model can read 1 to {} tokens, the text has {}; use a shorter one",
                            config_.max_position_embeddings - request.max_new_tokens, size));
  }
  for (const auto token : request.prompt) {
    if (token >= 0 && token < embedding_.size(0)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("token {} is outside of the emotion model's vocabulary of {}", token,
                            embedding_.size(0)));
  }
  GenerationOptions options;
  options.num_beams = 1;
  options.do_sample = request.generation.do_sample && request.picker != nullptr;
  options.temperature = request.generation.temperature;
  options.top_k = request.generation.top_k;
  options.top_p = request.generation.top_p;
  options.repetition_penalty = 1;

  auto cache = make_cache(size + request.max_new_tokens);
  std::vector<std::int64_t> answer;
  auto hidden = run(request.prompt, cache);
  while (static_cast<std::int64_t>(answer.size()) < request.max_new_tokens) {
    if (request.cancelled != nullptr && request.cancelled->load(std::memory_order_relaxed))
      throw Error(ErrorCode::kCancelled, "reading the emotion of a text was cancelled");
    const auto logits = score(hidden.slice(0, hidden.size(0) - 1)).to(torch::kCPU).contiguous();
    const std::span<float> scores(logits.data_ptr<float>(), static_cast<std::size_t>(logits.numel()));
    const std::int64_t token = choose_code(scores, {}, options, request.picker);
    const auto& stops = request.generation.stop_tokens;
    if (std::find(stops.begin(), stops.end(), token) != stops.end()) break;
    answer.push_back(token);
    if (request.progress) request.progress(static_cast<std::int64_t>(answer.size()));
    hidden = run(std::span(&answer.back(), 1), cache);
  }
  return answer;
}

}  // namespace greenroom::models::index_tts
