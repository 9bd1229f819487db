#include "models/index_tts/conformer.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace greenroom::models::index_tts {

Conformer::Block Conformer::load_block(const nn::Weights& weights) {
  const auto attention = weights.sub("self_attn");
  const auto conv = weights.sub("conv_module");
  const auto pointwise = [&](const char* name) { return nn::Conv1d::load(conv.sub(name), 1, 0); };
  return {nn::LayerNorm::load(weights.sub("norm_mha")),
          nn::LayerNorm::load(weights.sub("norm_conv")),
          nn::LayerNorm::load(weights.sub("norm_ff")),
          nn::LayerNorm::load(weights.sub("norm_final")),
          nn::Linear::load(attention.sub("linear_q")),
          nn::Linear::load(attention.sub("linear_k")),
          nn::Linear::load(attention.sub("linear_v")),
          nn::Linear::load(attention.sub("linear_out")),
          nn::Linear::load(attention.sub("linear_pos")),
          attention.tensor("pos_bias_u", {-1, -1}),
          attention.tensor("pos_bias_v", {-1, -1}),
          pointwise("pointwise_conv1"),
          nn::Conv1d::load_depthwise(conv.sub("depthwise_conv")),
          pointwise("pointwise_conv2"),
          nn::LayerNorm::load(conv.sub("norm")),
          nn::Linear::load(weights.sub("feed_forward.w_1")),
          nn::Linear::load(weights.sub("feed_forward.w_2"))};
}

Conformer::Conformer(const nn::Weights& weights)
    : conv_weight_(weights.tensor("embed.conv.0.weight", {-1, 1, 3, 3})),
      conv_bias_(weights.tensor("embed.conv.0.bias", {conv_weight_.size(0)})),
      projection_(nn::Linear::load(weights.sub("embed.out.0"))),
      after_norm_(nn::LayerNorm::load(weights.sub("after_norm"))) {
  const int blocks = weights.count("encoders");
  for (int i = 0; i < blocks; ++i) blocks_.push_back(load_block(weights.sub(fmt::format("encoders.{}", i))));
}

// subsampling.py Conv2dSubsampling2: frame i sees the frames 2 i to 2 i + 2, so pieces are exact.
torch::Tensor Conformer::embed(const torch::Tensor& features) const {
  const std::int64_t frames = (features.size(1) - 1) / 2;
  if (features.size(1) < 3) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("a reference of {} feature frames is too short; 3 are needed (60 ms)", features.size(1)));
  }
  const std::int64_t bins = (features.size(2) - 1) / 2;
  if (conv_weight_.size(0) * bins != projection_.weight.size(1)) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("features of width {} do not fit a conditioning encoder made for {}", features.size(2),
                    projection_.weight.size(1) / conv_weight_.size(0) * 2 + 1));
  }
  std::vector<torch::Tensor> pieces;
  for (std::int64_t start = 0; start < frames; start += kConformerPiece) {
    const std::int64_t count = std::min(kConformerPiece, frames - start);
    const auto piece = features.slice(1, 2 * start, 2 * (start + count) + 1).unsqueeze(1);
    const auto x = torch::relu(torch::conv2d(piece, conv_weight_, conv_bias_, /*stride=*/2));
    pieces.push_back(projection_(x.transpose(1, 2).reshape({1, count, -1})));
  }
  return torch::cat(pieces, 1) * std::sqrt(static_cast<double>(projection_.weight.size(0)));
}

// embedding.py PositionalEncoding: the table is a buffer of the checkpoint, and is the same computed.
torch::Tensor Conformer::positions(std::int64_t frames) const {
  const std::int64_t width = projection_.weight.size(0);
  const auto rates = torch::exp(torch::arange(0, width, 2, torch::kFloat32) *
                                (-std::log(10000.0) / static_cast<double>(width)));
  const auto angles = torch::arange(0, frames, torch::kFloat32).unsqueeze(1) * rates;
  return torch::stack({torch::sin(angles), torch::cos(angles)}, 2)
      .view({frames, width})
      .to(projection_.weight.options());
}

// attention.py RelPositionMultiHeadedAttention, which does not shift the position scores: a query meets the
// position of its key, not the distance to it.
torch::Tensor Conformer::attend(const Block& block, const torch::Tensor& x, const torch::Tensor& positions) {
  const std::int64_t time = x.size(1);
  const std::int64_t heads = block.bias_u.size(0);
  const std::int64_t head_dim = block.bias_u.size(1);
  const auto by_head = [&](const torch::Tensor& t) {
    return t.view({time, heads, head_dim}).transpose(0, 1);
  };
  const auto q = block.q(x).view({time, heads, head_dim});
  const auto content = torch::matmul((q + block.bias_u).transpose(0, 1), by_head(block.k(x)).transpose(1, 2));
  const auto place =
      torch::matmul((q + block.bias_v).transpose(0, 1), by_head(block.position(positions)).transpose(1, 2));
  const auto scores = (content + place) / std::sqrt(static_cast<double>(head_dim));
  const auto attended = torch::matmul(torch::softmax(scores, -1), by_head(block.v(x)));
  return block.out(attended.transpose(0, 1).reshape({1, time, heads * head_dim}));
}

torch::Tensor Conformer::convolve(const Block& block, const torch::Tensor& x) {
  const auto gated = torch::glu(block.pointwise_in(x.transpose(1, 2)), 1);
  const auto normed = block.inner_norm(block.depthwise(gated).transpose(1, 2));
  return block.pointwise_out(torch::silu(normed).transpose(1, 2)).transpose(1, 2);
}

torch::Tensor Conformer::operator()(const torch::Tensor& features) const {
  auto x = embed(features.to(projection_.weight.options()));
  const auto place = positions(x.size(1));
  for (const auto& block : blocks_) {
    x = x + attend(block, block.attention_norm(x), place);
    x = x + convolve(block, block.conv_norm(x));
    x = x + block.down(torch::silu(block.up(block.feed_forward_norm(x))));
    x = block.final_norm(x);
  }
  return after_norm_(x);
}

}  // namespace greenroom::models::index_tts
