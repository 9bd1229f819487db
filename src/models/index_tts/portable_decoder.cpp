#include "models/index_tts/portable_decoder.h"

#include <torch/torch.h>

#include <cassert>
#include <cmath>
#include <limits>

namespace greenroom::models::index_tts {

PortableDecoder::PortableDecoder(const Gpt& gpt, const DecodePlan& plan)
    : gpt_(gpt),
      plan_(plan),
      rows_(static_cast<std::int64_t>(plan.segments) * plan.beams),
      heads_(gpt.blocks()[0].heads),
      head_dim_(gpt.width() / heads_) {
  const auto options = gpt.mel_embedding().options();
  const std::int64_t places = plan.prefix + 1 + plan.codes * plan.beams;
  for (std::size_t i = 0; i < gpt.blocks().size(); ++i) {
    keys_.push_back(torch::zeros({plan.segments * heads_, places, head_dim_}, options));
    values_.push_back(torch::zeros_like(keys_.back()));
  }
  paths_ = torch::full({rows_, places}, -std::numeric_limits<double>::infinity(), options);
  next_paths_ = torch::empty_like(paths_);
  // Page-locked on the way from a GPU: copied at once, every step.
  logits_ = torch::zeros({rows_, gpt.code_space().codes},
                         torch::TensorOptions().dtype(torch::kFloat32).pinned_memory(paths_.is_cuda()));
}

std::span<float> PortableDecoder::logits(int segment) {
  const auto size = static_cast<std::size_t>(plan_.beams * logits_.size(1));
  return {logits_.data_ptr<float>() + static_cast<std::size_t>(segment) * size, size};
}

void PortableDecoder::start(int segment, const torch::Tensor& prefix) {
  const auto x = torch::cat({prefix.squeeze(0), gpt_.start_row()}, 0);
  const std::int64_t time = x.size(0);
  assert(time <= plan_.prefix + 1 && step_ == 0);
  const std::int64_t first_head = segment * heads_;
  const auto hidden =
      gpt_.run_blocks(x, [&](std::size_t layer, const torch::Tensor& keys, const torch::Tensor& values) {
        keys_[layer].slice(0, first_head, first_head + heads_).slice(1, 0, time).copy_(keys);
        values_[layer].slice(0, first_head, first_head + heads_).slice(1, 0, time).copy_(values);
      });
  const std::int64_t first_row = static_cast<std::int64_t>(segment) * plan_.beams;
  paths_.slice(0, first_row, first_row + plan_.beams).slice(1, 0, time).zero_();
  logits_.slice(0, first_row, first_row + plan_.beams).copy_(gpt_.score(hidden.slice(0, time - 1, time)));
}

void PortableDecoder::update_paths(const torch::Tensor& parents) {
  torch::index_select_out(next_paths_, paths_, 0, parents);
  std::swap(paths_, next_paths_);
  const std::int64_t place = plan_.prefix + 1 + step_ * plan_.beams;
  paths_.slice(1, place, place + plan_.beams)
      .view({plan_.segments, plan_.beams, plan_.beams})
      .diagonal(0, 1, 2)
      .zero_();
}

torch::Tensor PortableDecoder::attend(std::size_t layer, const torch::Tensor& qkv) {
  const std::int64_t beams = plan_.beams;
  const std::int64_t place = plan_.prefix + 1 + step_ * beams;
  const std::int64_t end = place + beams;
  // [rows, 3 * width] -> 3 x [segments * heads, beams, head_dim]
  const auto parts = qkv.view({plan_.segments, beams, 3, heads_, head_dim_})
                         .permute({2, 0, 3, 1, 4})
                         .reshape({3, plan_.segments * heads_, beams, head_dim_});
  keys_[layer].slice(1, place, end).copy_(parts[1]);
  values_[layer].slice(1, place, end).copy_(parts[2]);
  const auto q = parts[0] * (1.0 / std::sqrt(static_cast<double>(head_dim_)));
  auto scores = torch::bmm(q, keys_[layer].slice(1, 0, end).transpose(1, 2));
  scores.view({plan_.segments, heads_, beams, end})
      .add_(paths_.slice(1, 0, end).view({plan_.segments, 1, beams, end}));
  const auto out = torch::bmm(torch::softmax(scores, -1), values_[layer].slice(1, 0, end));
  return out.view({plan_.segments, heads_, beams, head_dim_}).transpose(1, 2).reshape({rows_, gpt_.width()});
}

void PortableDecoder::step(std::span<const Input> inputs) {
  // Segments that are finished go along, to keep every shape the same; nobody reads what they give.
  auto host = torch::zeros({2, rows_}, torch::kInt64);
  auto* codes = host.data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < rows_; ++row) codes[rows_ + row] = row;
  for (const auto& input : inputs) {
    codes[input.row] = input.code;
    codes[rows_ + input.row] = input.parent;
  }
  const auto device = host.to(paths_.device());
  update_paths(device[1]);
  // The k-th generated code has position k + 1: k counts from 1.
  auto x = gpt_.mel_embedding().index_select(0, device[0]) + gpt_.mel_positions()[step_ + 2];
  for (std::size_t layer = 0; layer < gpt_.blocks().size(); ++layer) {
    const auto& block = gpt_.blocks()[layer];
    x = block.feed_forward(x + block.out(attend(layer, block.qkv(block.attention_norm(x)))));
  }
  logits_.copy_(gpt_.score(x));
  ++step_;
}

}  // namespace greenroom::models::index_tts
