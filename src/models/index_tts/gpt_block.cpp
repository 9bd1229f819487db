#include "models/index_tts/gpt_block.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace greenroom::models::index_tts {
namespace {

// softmax(q k^T / sqrt(d)) v where a query sees the keys up to its own position; a slice of the queries at a
// time, with the keys that slice can see. [heads, time, head_dim]
torch::Tensor causal_attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(2)));
  const std::int64_t time = q.size(1);
  const auto k_scaled = (k * scale).transpose(1, 2);
  auto out = torch::empty_like(q);
  for (std::int64_t start = 0; start < time; start += kCausalSlice) {
    const std::int64_t end = std::min(start + kCausalSlice, time);
    auto scores = torch::bmm(q.slice(1, start, end), k_scaled.slice(2, 0, end));
    const auto later = torch::ones({end - start, end}, q.options().dtype(torch::kBool)).triu(start + 1);
    scores.masked_fill_(later, -std::numeric_limits<double>::infinity());
    out.slice(1, start, end).copy_(torch::bmm(torch::softmax(scores, -1), v.slice(1, 0, end)));
  }
  return out;
}

}  // namespace

GptLinear GptLinear::load(const nn::Weights& weights) {
  return {weights.tensor("weight", {-1, -1}), weights.tensor("bias", {-1})};
}

torch::Tensor GptLinear::operator()(const torch::Tensor& x) const {
  return torch::addmm(bias, x, weight);
}

GptBlock GptBlock::load(const nn::Weights& weights, std::int64_t heads) {
  return {nn::LayerNorm::load(weights.sub("ln_1")),
          GptLinear::load(weights.sub("attn.c_attn")),
          GptLinear::load(weights.sub("attn.c_proj")),
          nn::LayerNorm::load(weights.sub("ln_2")),
          GptLinear::load(weights.sub("mlp.c_fc")),
          GptLinear::load(weights.sub("mlp.c_proj")),
          heads};
}

torch::Tensor GptBlock::operator()(const torch::Tensor& x, const KeepKeys& keep) const {
  const std::int64_t time = x.size(0);
  const std::int64_t width = x.size(1);
  // [time, 3 * width] -> 3 x [heads, time, head_dim]
  const auto parts = qkv(attention_norm(x)).view({time, 3, heads, width / heads}).permute({1, 2, 0, 3});
  const auto k = parts[1].contiguous();
  const auto v = parts[2].contiguous();
  if (keep) keep(k, v);
  const auto attended = causal_attention(parts[0].contiguous(), k, v);
  return feed_forward(x + out(attended.transpose(0, 1).reshape({time, width})));
}

torch::Tensor GptBlock::feed_forward(const torch::Tensor& x) const {
  return x + down(torch::gelu(up(feed_forward_norm(x)), "tanh"));
}

}  // namespace greenroom::models::index_tts
