#include "nn/layers.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace greenroom::nn {

namespace F = torch::nn::functional;

Linear Linear::load(const Weights& weights) {
  return {weights.tensor("weight", {-1, -1}), weights.tensor_or_none("bias")};
}

Linear Linear::load_weight_norm(const Weights& weights) {
  return {weights.folded_weight_norm(), weights.tensor_or_none("bias")};
}

torch::Tensor Linear::operator()(const torch::Tensor& x) const {
  return torch::linear(x, weight, bias);
}

namespace {

Conv1d same(torch::Tensor weight, torch::Tensor bias, std::int64_t dilation, std::int64_t groups) {
  const std::int64_t padding = dilation * (weight.size(2) - 1) / 2;
  return {std::move(weight), std::move(bias), 1, padding, dilation, groups};
}

}  // namespace

Conv1d Conv1d::load_same(const Weights& weights, std::int64_t dilation) {
  return same(weights.tensor("weight", {-1, -1, -1}), weights.tensor_or_none("bias"), dilation, 1);
}

Conv1d Conv1d::load_same_weight_norm(const Weights& weights, std::int64_t dilation) {
  return same(weights.folded_weight_norm(), weights.tensor_or_none("bias"), dilation, 1);
}

Conv1d Conv1d::load_depthwise(const Weights& weights) {
  auto weight = weights.tensor("weight", {-1, 1, -1});
  const std::int64_t channels = weight.size(0);
  return same(std::move(weight), weights.tensor_or_none("bias"), 1, channels);
}

Conv1d Conv1d::load(const Weights& weights, std::int64_t stride, std::int64_t padding) {
  return {weights.tensor("weight", {-1, -1, -1}), weights.tensor_or_none("bias"), stride, padding, 1, 1};
}

torch::Tensor Conv1d::operator()(const torch::Tensor& x) const {
  return torch::conv1d(x, weight, bias, stride, padding, dilation, groups);
}

ConvTranspose1d ConvTranspose1d::load_weight_norm(const Weights& weights, std::int64_t stride) {
  return {weights.folded_weight_norm(), weights.tensor_or_none("bias"), stride};
}

torch::Tensor ConvTranspose1d::operator()(const torch::Tensor& x) const {
  const std::int64_t padding = (weight.size(2) - stride) / 2;
  return torch::conv_transpose1d(x, weight, bias, stride, padding);
}

LayerNorm LayerNorm::load(const Weights& weights, double eps) {
  return {weights.tensor("weight", {-1}), weights.tensor("bias", {-1}), eps};
}

torch::Tensor LayerNorm::operator()(const torch::Tensor& x) const {
  return torch::layer_norm(x, {weight.size(0)}, weight, bias, eps);
}

GroupNorm GroupNorm::load(const Weights& weights, std::int64_t groups) {
  return {weights.tensor("weight", {-1}), weights.tensor("bias", {-1}), groups};
}

torch::Tensor GroupNorm::operator()(const torch::Tensor& x) const {
  return torch::group_norm(x, groups, weight, bias, 1e-5);
}

torch::Tensor rms_norm(const torch::Tensor& x) {
  return x * torch::rsqrt(x.square().mean(-1, /*keepdim=*/true) + std::numeric_limits<float>::epsilon());
}

torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        std::int64_t max_score_bytes) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  const std::int64_t bytes_per_query = q.size(0) * q.size(1) * k.size(2) * 4;
  const std::int64_t queries =
      std::max<std::int64_t>(1, max_score_bytes / std::max<std::int64_t>(1, bytes_per_query));
  const auto k_scaled = (k * scale).transpose(2, 3);
  if (queries >= q.size(2)) return torch::matmul(torch::softmax(torch::matmul(q, k_scaled), -1), v);
  std::vector<torch::Tensor> parts;
  for (std::int64_t start = 0; start < q.size(2); start += queries) {
    const auto slice = q.slice(2, start, std::min(start + queries, q.size(2)));
    parts.push_back(torch::matmul(torch::softmax(torch::matmul(slice, k_scaled), -1), v));
  }
  return torch::cat(parts, 2);
}

}  // namespace greenroom::nn
