#include "models/index_tts/portable_decoder.h"

#include <torch/torch.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "nn/weight_block.h"

namespace greenroom::models::index_tts {

PortableDecoder::PortableDecoder(const Gpt& gpt, const DecodePlan& plan, std::int64_t granularity)
    : gpt_(gpt),
      plan_(plan),
      granularity_(granularity),
      rows_(static_cast<std::int64_t>(plan.segments) * plan.beams),
      heads_(gpt.blocks()[0].heads),
      head_dim_(gpt.width() / heads_),
      graph_(granularity > 1 ? nn::to_device_id(gpt.mel_embedding().device()) : base::DeviceId{}) {
  const auto options = gpt.mel_embedding().options();
  const std::int64_t places = plan.prefix + 1 + plan.codes * plan.beams;
  for (std::size_t i = 0; i < gpt.blocks().size(); ++i) {
    keys_.push_back(torch::zeros({plan.segments * heads_, places, head_dim_}, options));
    values_.push_back(torch::zeros_like(keys_.back()));
  }
  paths_ = torch::full({rows_, places}, -std::numeric_limits<double>::infinity(), options);
  next_paths_ = torch::empty_like(paths_);
  scores_ = torch::empty({rows_, gpt.code_space().codes}, options.dtype(torch::kFloat32));
  // Page-locked on the way from and to a GPU: copied at once, every step.
  const auto host = torch::TensorOptions().pinned_memory(paths_.is_cuda());
  logits_ = torch::zeros(scores_.sizes(), host.dtype(torch::kFloat32));
  host_inputs_ = torch::zeros({3 * rows_ + plan.beams + 1}, host.dtype(torch::kInt64));
  inputs_ = torch::empty_like(host_inputs_, options.dtype(torch::kInt64));
  const auto parts = inputs_.split_with_sizes({rows_, rows_, rows_, plan.beams, 1});
  input_codes_ = parts[0];
  input_parents_ = parts[1];
  row_places_ = parts[2].view({rows_, 1});
  new_places_ = parts[3];
  position_ = parts[4];
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

// Segments that are finished go along, to keep every shape the same; nobody reads what they give.
void PortableDecoder::write_inputs(std::span<const Input> inputs) {
  const std::int64_t place = plan_.prefix + 1 + step_ * plan_.beams;
  auto* codes = host_inputs_.data_ptr<std::int64_t>();
  auto* parents = codes + rows_;
  auto* row_places = parents + rows_;
  auto* new_places = row_places + rows_;
  for (std::int64_t row = 0; row < rows_; ++row) {
    codes[row] = 0;
    parents[row] = row;
    row_places[row] = place + row % plan_.beams;
  }
  for (std::int64_t beam = 0; beam < plan_.beams; ++beam) new_places[beam] = place + beam;
  // The k-th generated code has position k + 1: k counts from 1.
  new_places[plan_.beams] = step_ + 2;
  for (const auto& input : inputs) {
    codes[input.row] = input.code;
    parents[input.row] = input.parent;
  }
  inputs_.copy_(host_inputs_, /*non_blocking=*/true);
}

void PortableDecoder::update_paths() {
  torch::index_select_out(next_paths_, paths_, 0, input_parents_);
  paths_.copy_(next_paths_);
  paths_.scatter_(1, row_places_, 0.0);
}

torch::Tensor PortableDecoder::attend(std::size_t layer, const torch::Tensor& qkv, std::int64_t keys) {
  const std::int64_t beams = plan_.beams;
  // [rows, 3 * width] -> 3 x [segments * heads, beams, head_dim]
  const auto parts = qkv.view({plan_.segments, beams, 3, heads_, head_dim_})
                         .permute({2, 0, 3, 1, 4})
                         .reshape({3, plan_.segments * heads_, beams, head_dim_});
  keys_[layer].index_copy_(1, new_places_, parts[1]);
  values_[layer].index_copy_(1, new_places_, parts[2]);
  const auto q = parts[0] * (1.0 / std::sqrt(static_cast<double>(head_dim_)));
  auto scores = torch::bmm(q, keys_[layer].slice(1, 0, keys).transpose(1, 2));
  scores.view({plan_.segments, heads_, beams, keys})
      .add_(paths_.slice(1, 0, keys).view({plan_.segments, 1, beams, keys}));
  const auto out = torch::bmm(torch::softmax(scores, -1), values_[layer].slice(1, 0, keys));
  return out.view({plan_.segments, heads_, beams, head_dim_}).transpose(1, 2).reshape({rows_, gpt_.width()});
}

void PortableDecoder::compute(std::int64_t keys) {
  update_paths();
  auto x =
      gpt_.mel_embedding().index_select(0, input_codes_) + gpt_.mel_positions().index_select(0, position_);
  for (std::size_t layer = 0; layer < gpt_.blocks().size(); ++layer) {
    const auto& block = gpt_.blocks()[layer];
    x = block.feed_forward(x + block.out(attend(layer, block.qkv(block.attention_norm(x)), keys)));
  }
  scores_.copy_(gpt_.score(x));
}

void PortableDecoder::step(std::span<const Input> inputs) {
  write_inputs(inputs);
  const std::int64_t end = plan_.prefix + 1 + (step_ + 1) * plan_.beams;
  const std::int64_t rounded = (end + granularity_ - 1) / granularity_ * granularity_;
  const std::int64_t keys = std::min(rounded, paths_.size(1));
  graph_.run(keys, [&] { compute(keys); });
  logits_.copy_(scores_);
  ++step_;
}

}  // namespace greenroom::models::index_tts
