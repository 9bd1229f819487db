#include "models/index_tts/speaker_encoder.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <string>

#include "base/error.h"

namespace greenroom::models::index_tts {
namespace {

constexpr double kNormEps = 1e-5;
constexpr std::int64_t kSegmentFrames = 100;  // CAMLayer.seg_pooling()
constexpr std::int64_t kDilations[] = {1, 2, 2};

// What a batch norm does at inference: x * scale + shift.
struct Affine {
  torch::Tensor scale, shift;
};

Affine peek_norm(const nn::Weights& norm) {
  auto scale = torch::rsqrt(norm.peek("running_var") + kNormEps);
  if (norm.has("weight")) scale = scale * norm.peek("weight");
  auto shift = -norm.peek("running_mean") * scale;
  if (norm.has("bias")) shift = shift + norm.peek("bias");
  return {scale, shift};
}

// The norm after a convolution without bias, folded into it. The bias takes the place of the norm's own.
nn::Conv1d fold(const nn::Weights& conv, const nn::Weights& norm, std::int64_t stride, std::int64_t padding) {
  const auto affine = peek_norm(norm);
  const auto weight = conv.peek("weight");
  return {conv.keep(weight * affine.scale.view({-1, 1, 1}), "weight"),
          norm.keep(affine.shift, norm.has("bias") ? "bias" : "running_mean"),
          stride,
          padding,
          1,
          1};
}

}  // namespace

SpeakerEncoder::Conv2d SpeakerEncoder::load_conv2d(const nn::Weights& conv, const nn::Weights& norm,
                                                   std::int64_t stride) {
  const auto affine = peek_norm(norm);
  const auto weight = conv.peek("weight");
  return {conv.keep(weight * affine.scale.view({-1, 1, 1, 1}), "weight"), norm.keep(affine.shift, "bias"),
          stride};
}

SpeakerEncoder::ResBlock SpeakerEncoder::load_res_block(const nn::Weights& weights, std::int64_t stride) {
  ResBlock block{load_conv2d(weights.sub("conv1"), weights.sub("bn1"), stride),
                 load_conv2d(weights.sub("conv2"), weights.sub("bn2"), 1),
                 {}};
  if (weights.has("shortcut.0.weight")) {
    block.shortcut = load_conv2d(weights.sub("shortcut.0"), weights.sub("shortcut.1"), stride);
  }
  return block;
}

SpeakerEncoder::NormRelu SpeakerEncoder::load_norm(const nn::Weights& norm) {
  const auto affine = peek_norm(norm);
  return {norm.keep(affine.scale, "weight").unsqueeze(1), norm.keep(affine.shift, "bias").unsqueeze(1)};
}

SpeakerEncoder::DenseLayer SpeakerEncoder::load_dense_layer(const nn::Weights& weights,
                                                            std::int64_t dilation) {
  const auto cam = weights.sub("cam_layer");
  return {load_norm(weights.sub("nonlinear1.batchnorm")),
          fold(weights.sub("linear1"), weights.sub("nonlinear2.batchnorm"), 1, 0),
          nn::Conv1d::load_same(cam.sub("linear_local"), dilation),
          nn::Conv1d::load(cam.sub("linear1"), 1, 0), nn::Conv1d::load(cam.sub("linear2"), 1, 0)};
}

SpeakerEncoder::SpeakerEncoder(const nn::Weights& file) {
  const auto head = file.sub("head");
  if (!head.has("conv1.weight")) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: not a CAMPPlus checkpoint: \"head.conv1.weight\" is missing",
                                  file.file().path().string()));
  }
  head_first_ = load_conv2d(head.sub("conv1"), head.sub("bn1"), 1);
  for (const char* layer : {"layer1", "layer2"}) {
    for (int i = 0; i < head.count(layer); ++i) {
      head_blocks_.push_back(load_res_block(head.sub(fmt::format("{}.{}", layer, i)), i == 0 ? 2 : 1));
    }
  }
  head_last_ = load_conv2d(head.sub("conv2"), head.sub("bn2"), 2);
  const auto xvector = file.sub("xvector");
  tdnn_ = fold(xvector.sub("tdnn.linear"), xvector.sub("tdnn.nonlinear.batchnorm"), 2, 2);
  for (std::size_t b = 0; b < std::size(kDilations); ++b) {
    DenseBlock block;
    const auto scope = xvector.sub(fmt::format("block{}", b + 1));
    for (int i = 1; scope.has(fmt::format("tdnnd{}.linear1.weight", i)); ++i) {
      block.layers.push_back(load_dense_layer(scope.sub(fmt::format("tdnnd{}", i)), kDilations[b]));
    }
    const auto transit = xvector.sub(fmt::format("transit{}", b + 1));
    block.transit_norm = load_norm(transit.sub("nonlinear.batchnorm"));
    block.transit = nn::Conv1d::load(transit.sub("linear"), 1, 0);
    blocks_.push_back(std::move(block));
  }
  out_norm_ = load_norm(xvector.sub("out_nonlinear.batchnorm"));
  dense_ = fold(xvector.sub("dense.linear"), xvector.sub("dense.nonlinear.batchnorm"), 1, 0);
}

torch::Tensor SpeakerEncoder::Conv2d::operator()(const torch::Tensor& x) const {
  const std::int64_t padding = weight.size(2) / 2;
  return torch::conv2d(x, weight, bias, {stride, 1}, padding);
}

torch::Tensor SpeakerEncoder::ResBlock::operator()(const torch::Tensor& x) const {
  auto y = first(x);
  y = second(torch::relu_(y));
  y.add_(shortcut.weight.defined() ? shortcut(x) : x);
  return torch::relu_(y);
}

torch::Tensor SpeakerEncoder::NormRelu::operator()(const torch::Tensor& x) const {
  auto y = torch::addcmul(shift, x, scale);
  return torch::relu_(y);
}

// CAMDenseTDNNLayer: the context is the same for a whole segment, so its two layers run once per segment.
torch::Tensor SpeakerEncoder::DenseLayer::operator()(const torch::Tensor& x) const {
  auto y = narrow(norm1(x));
  torch::relu_(y);
  auto context = torch::avg_pool1d(y, kSegmentFrames, kSegmentFrames, 0, /*ceil_mode=*/true) +
                 y.mean(-1, /*keepdim=*/true);
  context = context1(context);
  const auto gate = torch::sigmoid(context2(torch::relu_(context)));  // [1, growth, segments]
  return local(y) * gate.repeat_interleave(kSegmentFrames, 2).slice(2, 0, y.size(2));
}

torch::Tensor SpeakerEncoder::head(const torch::Tensor& fbank) const {
  auto x = head_first_(fbank.transpose(1, 2).unsqueeze(1));  // [1, 32, 80, frames]
  torch::relu_(x);
  for (const auto& block : head_blocks_) x = block(x);
  x = head_last_(x);
  torch::relu_(x);
  return x.reshape({x.size(0), x.size(1) * x.size(2), x.size(3)});
}

torch::Tensor SpeakerEncoder::run(const torch::Tensor& fbank, Stations* stations) const {
  auto x = tdnn_(head(fbank));
  torch::relu_(x);
  if (stations != nullptr) stations->tdnn = x;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    for (const auto& layer : blocks_[b].layers) x = torch::cat({x, layer(x)}, 1);
    if (stations != nullptr && b == 0) stations->block1 = x;
    x = blocks_[b].transit(blocks_[b].transit_norm(x));
  }
  x = out_norm_(x);
  const auto pooled = torch::cat({x.mean(2), x.std(2, /*unbiased=*/true)}, 1);  // [1, 2 * channels]
  return dense_(pooled.unsqueeze(2)).squeeze(2);
}

torch::Tensor SpeakerEncoder::operator()(const torch::Tensor& fbank) const {
  return run(fbank, nullptr);
}

}  // namespace greenroom::models::index_tts
