#include "models/ddsp_svc/pitch_net.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "audio/mel_filters.h"
#include "base/error.h"
#include "nn/spectral.h"

namespace greenroom::models::ddsp_svc {
namespace {

constexpr int kSampleRate = 16000;
constexpr std::int64_t kFft = 1024;
constexpr std::int64_t kHop = 160;
constexpr int kMels = 128;
constexpr std::int64_t kFrameMultiple = 32;  // five halvings
constexpr int kBins = 360;
constexpr double kNormEpsilon = 1e-5;

nn::Weights find_root(const nn::Weights& file) {
  for (const char* scope : {"model", "state_dict"}) {
    if (file.sub(scope).has("cnn.weight")) return file.sub(scope);
  }
  if (file.has("cnn.weight") && file.has("fc.1.weight")) return file;
  throw base::Error(
      base::ErrorCode::kDataLoss,
      fmt::format("{}: not an RMVPE checkpoint: \"cnn.weight\" is missing (looked under \"model\" and at "
                  "the top)",
                  file.file().path().string()));
}

}  // namespace

// y = gamma * (conv(x) - mean) / sqrt(var + eps) + beta, as one convolution.
PitchNet::Conv2d PitchNet::fold(const nn::Weights& conv, const nn::Weights& norm, int out_dim) {
  const auto weight = conv.peek("weight");
  const auto scale = norm.peek("weight") * torch::rsqrt(norm.peek("running_var") + kNormEpsilon);
  const auto bias = norm.peek("bias") - norm.peek("running_mean") * scale;
  const auto shaped = out_dim == 0 ? scale.view({-1, 1, 1, 1}) : scale.view({1, -1, 1, 1});
  return {conv.keep((weight * shaped).contiguous(), "weight"), norm.keep(bias.contiguous(), "bias")};
}

std::vector<PitchNet::Block> PitchNet::load_blocks(const nn::Weights& scope) {
  std::vector<Block> blocks;
  for (int i = 0; i < scope.count("conv"); ++i) {
    const auto block = scope.sub(fmt::format("conv.{}", i));
    blocks.push_back({fold(block.sub("conv.0"), block.sub("conv.1"), 0),
                      fold(block.sub("conv.3"), block.sub("conv.4"), 0),
                      block.tensor_or_none("shortcut.weight"), block.tensor_or_none("shortcut.bias")});
  }
  return blocks;
}

PitchNet::PitchNet(const nn::Weights& file) {
  const nn::Weights root = find_root(file);
  const auto input_norm = root.sub("unet.encoder.bn");
  const auto value = [&](const char* name) { return input_norm.peek(name).to(torch::kCPU).item<double>(); };
  input_scale_ = value("weight") / std::sqrt(value("running_var") + kNormEpsilon);
  input_shift_ = value("bias") - value("running_mean") * input_scale_;

  for (int i = 0; i < root.count("unet.encoder.layers"); ++i) {
    down_.push_back(load_blocks(root.sub(fmt::format("unet.encoder.layers.{}", i))));
  }
  for (int i = 0; i < root.count("unet.intermediate.layers"); ++i) {
    middle_.push_back(load_blocks(root.sub(fmt::format("unet.intermediate.layers.{}", i))));
  }
  for (int i = 0; i < root.count("unet.decoder.layers"); ++i) {
    const auto layer = root.sub(fmt::format("unet.decoder.layers.{}", i));
    UpLayer up{fold(layer.sub("conv1.0"), layer.sub("conv1.1"), 1), {}};
    for (int j = 0; j < layer.count("conv2"); ++j) {
      const auto block = layer.sub(fmt::format("conv2.{}", j));
      up.blocks.push_back({fold(block.sub("conv.0"), block.sub("conv.1"), 0),
                           fold(block.sub("conv.3"), block.sub("conv.4"), 0),
                           block.tensor_or_none("shortcut.weight"), block.tensor_or_none("shortcut.bias")});
    }
    up_.push_back(std::move(up));
  }
  if (down_.size() != 5 || up_.size() != 5) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: the U-Net has {} encoder and {} decoder levels, RMVPE has 5 of each",
                                  file.file().path().string(), down_.size(), up_.size()));
  }
  cnn_weight_ = root.tensor("cnn.weight", {3, -1, 3, 3});
  cnn_bias_ = root.tensor("cnn.bias", {3});
  for (const char* direction : {"", "_reverse"}) {
    for (const char* part : {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}) {
      gru_.push_back(root.tensor(fmt::format("fc.0.gru.{}{}", part, direction)));
    }
  }
  gru_hidden_ = gru_[1].size(1);
  out_ = nn::Linear::load(root.sub("fc.1"));
  const auto filters = audio::mel_filters(kSampleRate, kFft, kMels, 30, 8000, audio::MelScale::kHtk);
  filters_ = torch::tensor(filters).view({kMels, kFft / 2 + 1}).to(cnn_weight_.device());
}

torch::Tensor PitchNet::log_mel(const torch::Tensor& audio) const {
  const auto padded = nn::pad_reflect_or_zero(audio.view({1, -1}), kFft / 2, kFft / 2);
  const auto magnitude = nn::stft(padded, kFft, kHop, kFft).abs();
  return torch::log(torch::clamp_min(torch::matmul(filters_, magnitude), 1e-5));
}

torch::Tensor PitchNet::Block::operator()(const torch::Tensor& x) const {
  auto y = torch::conv2d(x, first.weight, first.bias, 1, 1).relu_();
  y = torch::conv2d(y, second.weight, second.bias, 1, 1).relu_();
  if (!shortcut_weight.defined()) return y.add_(x);
  return y.add_(torch::conv2d(x, shortcut_weight, shortcut_bias));
}

PitchNet::UnetOutputs PitchNet::unet(const torch::Tensor& log_mel) const {
  auto x = log_mel.transpose(1, 2).unsqueeze(1) * input_scale_ + input_shift_;
  std::vector<torch::Tensor> skips;
  for (const auto& level : down_) {
    for (const auto& block : level) x = block(x);
    skips.push_back(x);
    x = torch::avg_pool2d(x, 2);
  }
  UnetOutputs outputs;
  outputs.encoder = x;
  for (const auto& level : middle_) {
    for (const auto& block : level) x = block(x);
  }
  outputs.intermediate = x;
  for (const auto& level : up_) {
    x = torch::conv_transpose2d(x, level.up.weight, level.up.bias, 2, 1, 1).relu_();
    x = torch::cat({x, skips.back()}, 1);
    skips.pop_back();
    for (const auto& block : level.blocks) x = block(x);
  }
  outputs.decoder = x;
  return outputs;
}

torch::Tensor PitchNet::network(const torch::Tensor& log_mel) const {
  auto x = torch::conv2d(unet(log_mel).decoder, cnn_weight_, cnn_bias_, 1, 1);
  x = x.transpose(1, 2).flatten(2).contiguous();  // [1, frames, 3 * mels], channel-major
  const auto start = torch::zeros({2, 1, gru_hidden_}, x.options());
  x = std::get<0>(torch::gru(x, start, gru_, /*has_biases=*/true, /*num_layers=*/1, /*dropout=*/0.0,
                             /*train=*/false,
                             /*bidirectional=*/true, /*batch_first=*/true));
  return torch::sigmoid(out_(x));
}

torch::Tensor PitchNet::salience(const torch::Tensor& audio, PitchPadding padding) const {
  const std::int64_t frames = audio.numel() / kHop + 1;
  const std::int64_t padded_frames = (frames + kFrameMultiple - 1) / kFrameMultiple * kFrameMultiple;
  torch::Tensor mel;
  if (padding == PitchPadding::kLogMel) {
    mel = torch::constant_pad_nd(log_mel(audio), {0, padded_frames - frames});
  } else {
    const std::int64_t block = kHop * kFrameMultiple;
    const std::int64_t wanted = (audio.numel() + kHop + block - 1) / block * block;
    mel = log_mel(torch::constant_pad_nd(audio.view({1, -1}), {0, wanted - (audio.numel() + kHop)}));
  }
  return network(mel).slice(1, 0, frames);
}

// In float32 and summed over all bins, as upstream: cents are around 5000, so what rounding leaves of them is
// heard of again when a pitch track is summed up to a phase.
std::vector<float> PitchNet::decode(const torch::Tensor& salience, double threshold) {
  constexpr int kReach = 4;  // bins each side of the peak
  const auto values = salience.squeeze(0);
  const auto bins = torch::arange(kBins, torch::TensorOptions().device(values.device()));
  const auto [highest, peak] = values.max(1, /*keepdim=*/true);
  const auto weights = values * ((bins - peak).abs() <= kReach);
  const auto cents = (weights * (bins * 20 + 1997.3794084376191)).sum(1) / weights.sum(1);
  const auto voiced = highest.squeeze(1) >= threshold;  // elsewhere cents may be 0 / 0
  const auto f0 = torch::where(voiced, 10 * torch::pow(2, cents / 1200), torch::zeros_like(cents));
  const auto result = f0.to(torch::kCPU, torch::kFloat32).contiguous();
  return {result.data_ptr<float>(), result.data_ptr<float>() + result.numel()};
}

std::vector<float> PitchNet::track(const torch::Tensor& audio, PitchPadding padding) const {
  return decode(salience(audio, padding));
}

}  // namespace greenroom::models::ddsp_svc
