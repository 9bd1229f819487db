#include "models/index_tts/row_decoder.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <cassert>
#include <cmath>

#include "nn/row_kernels.h"

namespace greenroom::models::index_tts {
namespace {

constexpr float kEpsilon = 1e-5F;
constexpr std::int64_t kLanes = 16;

std::size_t unsigned_of(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

void norm_rows(const nn::LayerNorm& norm, const float* x, float* y, std::int64_t rows) {
  const std::int64_t width = norm.weight.size(0);
  for (std::int64_t i = 0; i < rows; ++i) {
    nn::layer_norm_row(x + i * width, norm.weight.data_ptr<float>(), norm.bias.data_ptr<float>(), kEpsilon,
                       y + i * width, width);
  }
}

nn::RowProduct product_of(const GptLinear& linear, const float* x, float* y, std::int64_t rows) {
  return {x,    linear.weight.data_ptr<float>(), linear.bias.data_ptr<float>(), y,
          rows, linear.weight.size(0),           linear.weight.size(1)};
}

}  // namespace

RowDecoder::RowDecoder(const Gpt& gpt, const DecodePlan& plan)
    : gpt_(gpt),
      plan_(plan),
      width_(gpt.width()),
      heads_(gpt.blocks()[0].heads),
      head_dim_(width_ / heads_),
      inner_(gpt.blocks()[0].up.weight.size(1)),
      codes_(gpt.code_space().codes),
      places_(plan.prefix + 1 + plan.codes * plan.beams) {
  const auto layers = static_cast<std::int64_t>(gpt.blocks().size());
  keys_ = torch::empty({layers, plan.segments, heads_, places_, head_dim_}, torch::kFloat32);
  values_ = torch::empty_like(keys_);
  const std::int64_t rows = static_cast<std::int64_t>(plan.segments) * plan.beams;
  const std::int64_t longest = plan.prefix + 1 + plan.codes;
  for (auto* lists : {&indexes_, &next_indexes_}) {
    lists->resize(unsigned_of(rows));
    for (auto& list : *lists) list.reserve(unsigned_of(longest));
  }
  steps_.resize(unsigned_of(plan.segments));
  for (auto* buffer : {&x_, &normed_, &attended_}) buffer->resize(unsigned_of(rows * width_));
  qkv_.resize(unsigned_of(rows * 3 * width_));
  inner_x_.resize(unsigned_of(rows * inner_));
  scores_.resize(unsigned_of(rows * heads_ * (longest + kLanes)));
  step_logits_.resize(unsigned_of(rows * codes_));
  logits_.resize(unsigned_of(rows * codes_));
}

float* RowDecoder::row(std::vector<float>& buffer, std::size_t index) const {
  return buffer.data() + index * unsigned_of(width_);
}

float* RowDecoder::keys(std::size_t layer, std::int64_t segment) {
  return keys_.data_ptr<float>() +
         (static_cast<std::int64_t>(layer) * plan_.segments + segment) * heads_ * places_ * head_dim_;
}

float* RowDecoder::values(std::size_t layer, std::int64_t segment) {
  return values_.data_ptr<float>() + (keys(layer, segment) - keys_.data_ptr<float>());
}

std::span<float> RowDecoder::logits(int segment) {
  const auto size = unsigned_of(plan_.beams * codes_);
  return std::span(logits_).subspan(unsigned_of(segment) * size, size);
}

void RowDecoder::start(int segment, const torch::Tensor& prefix) {
  const auto x = torch::cat({prefix.squeeze(0), gpt_.start_row()}, 0);
  const std::int64_t time = x.size(0);
  assert(time <= plan_.prefix + 1);
  const auto hidden = gpt_.run_blocks(
      x, [&](std::size_t layer, const torch::Tensor& layer_keys, const torch::Tensor& layer_values) {
        keys_[static_cast<std::int64_t>(layer)][segment].slice(1, 0, time).copy_(layer_keys);
        values_[static_cast<std::int64_t>(layer)][segment].slice(1, 0, time).copy_(layer_values);
      });
  const auto first = gpt_.score(hidden.slice(0, time - 1, time)).contiguous();
  const auto all = logits(segment);
  for (int beam = 0; beam < plan_.beams; ++beam) {
    std::copy_n(first.data_ptr<float>(), codes_, all.begin() + beam * codes_);
    auto& list = indexes_[unsigned_of(segment * plan_.beams + beam)];
    list.resize(unsigned_of(time));
    for (std::int64_t i = 0; i < time; ++i) list[unsigned_of(i)] = static_cast<std::int32_t>(i);
  }
  steps_[unsigned_of(segment)] = 0;
}

// The places of a row's keys are its parent's, and one of its own for this step.
void RowDecoder::follow_parents(std::span<const Input> inputs) {
  for (const auto& input : inputs) {
    auto& list = next_indexes_[unsigned_of(input.row)];
    list = indexes_[unsigned_of(input.parent)];
    const std::int64_t step = steps_[unsigned_of(input.row / plan_.beams)];
    list.push_back(
        static_cast<std::int32_t>(plan_.prefix + 1 + step * plan_.beams + input.row % plan_.beams));
  }
  for (const auto& input : inputs)
    std::swap(indexes_[unsigned_of(input.row)], next_indexes_[unsigned_of(input.row)]);
}

// The k-th generated code has position k + 1: k counts from 1.
void RowDecoder::embed(std::span<const Input> inputs) {
  const float* codes = gpt_.mel_embedding().data_ptr<float>();
  const float* positions = gpt_.mel_positions().data_ptr<float>();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const float* code = codes + inputs[i].code * width_;
    const float* position = positions + (steps_[unsigned_of(inputs[i].row / plan_.beams)] + 2) * width_;
    for (std::int64_t d = 0; d < width_; ++d) row(x_, i)[d] = code[d] + position[d];
  }
}

void RowDecoder::attend(std::size_t layer, std::span<const Input> inputs) {
  const auto tasks = static_cast<std::int64_t>(inputs.size()) * heads_;
  const std::int64_t scratch = plan_.prefix + 1 + plan_.codes + kLanes;
  at::parallel_for(0, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t i = task / heads_;
      const std::int64_t head = task % heads_;
      const auto& input = inputs[unsigned_of(i)];
      const auto& list = indexes_[unsigned_of(input.row)];
      float* head_keys = keys(layer, input.row / plan_.beams) + head * places_ * head_dim_;
      float* head_values = values(layer, input.row / plan_.beams) + head * places_ * head_dim_;
      const float* q = qkv_.data() + i * 3 * width_ + head * head_dim_;
      std::copy_n(q + width_, head_dim_, head_keys + list.back() * head_dim_);
      std::copy_n(q + 2 * width_, head_dim_, head_values + list.back() * head_dim_);
      nn::attend_row({q, head_keys, head_values, list.data(), static_cast<std::int64_t>(list.size()),
                      scores_.data() + task * scratch, attended_.data() + i * width_ + head * head_dim_,
                      head_dim_, 1.0F / std::sqrt(static_cast<float>(head_dim_))});
    }
  });
}

void RowDecoder::feed_forward(const GptBlock& block, std::int64_t rows) {
  norm_rows(block.feed_forward_norm, x_.data(), normed_.data(), rows);
  nn::multiply_rows(product_of(block.up, normed_.data(), inner_x_.data(), rows));
  constexpr std::int64_t kGrain = 2048;
  at::parallel_for(0, rows * inner_, kGrain, [&](std::int64_t begin, std::int64_t end) {
    nn::gelu_tanh_row(inner_x_.data() + begin, end - begin);
  });
  auto down = product_of(block.down, inner_x_.data(), x_.data(), rows);
  down.accumulate = true;
  nn::multiply_rows(down);
}

void RowDecoder::score(std::span<const Input> inputs) {
  const auto rows = static_cast<std::int64_t>(inputs.size());
  norm_rows(gpt_.first_norm(), x_.data(), normed_.data(), rows);
  norm_rows(gpt_.second_norm(), normed_.data(), x_.data(), rows);
  const auto& head = gpt_.head();
  nn::multiply_rows_transposed({x_.data(), head.weight.data_ptr<float>(), head.bias.data_ptr<float>(),
                                step_logits_.data(), rows, width_, codes_});
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::copy_n(step_logits_.data() + i * unsigned_of(codes_), codes_,
                logits_.data() + unsigned_of(inputs[i].row) * unsigned_of(codes_));
  }
}

void RowDecoder::step(std::span<const Input> inputs) {
  const auto rows = static_cast<std::int64_t>(inputs.size());
  follow_parents(inputs);
  embed(inputs);
  for (std::size_t layer = 0; layer < gpt_.blocks().size(); ++layer) {
    const auto& block = gpt_.blocks()[layer];
    norm_rows(block.attention_norm, x_.data(), normed_.data(), rows);
    nn::multiply_rows(product_of(block.qkv, normed_.data(), qkv_.data(), rows));
    attend(layer, inputs);
    auto out = product_of(block.out, attended_.data(), x_.data(), rows);
    out.accumulate = true;
    nn::multiply_rows(out);
    feed_forward(block, rows);
  }
  score(inputs);
  for (const auto& input : inputs) {
    if (input.row % plan_.beams == 0) ++steps_[unsigned_of(input.row / plan_.beams)];
  }
}

}  // namespace greenroom::models::index_tts
