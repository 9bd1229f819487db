#include "models/ddsp_svc/content_encoder.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "models/ddsp_svc/workspace.h"

namespace greenroom::models::ddsp_svc {
namespace {

using base::Error;
using base::ErrorCode;

// Stride and field of view of the whole convolution stack, in samples.
constexpr std::int64_t kStackStride = 320;
constexpr std::int64_t kStackWidth = 400;
// The two spellings of one network.
struct KeyNames {
  std::string root, conv, first_norm, feature_norm, projection, position, layers;
  std::string attention, attention_norm, up, down, final_norm, final_proj;
};

KeyNames find_names(const nn::Weights& file) {
  for (const std::string root : {"model", "", "state_dict"}) {
    const auto scope = root.empty() ? file : file.sub(root);
    if (scope.has("post_extract_proj.weight")) {
      return {root,
              "feature_extractor.conv_layers.{}.0",
              "feature_extractor.conv_layers.0.2",
              "layer_norm",
              "post_extract_proj",
              "encoder.pos_conv.0",
              "encoder.layers.{}",
              "self_attn.{}",
              "self_attn_layer_norm",
              "fc1",
              "fc2",
              "final_layer_norm",
              "final_proj"};
    }
    for (const std::string prefix : {"", "hubert."}) {
      if (!scope.has(prefix + "feature_projection.projection.weight")) continue;
      return {root,
              prefix + "feature_extractor.conv_layers.{}.conv",
              prefix + "feature_extractor.conv_layers.0.layer_norm",
              prefix + "feature_projection.layer_norm",
              prefix + "feature_projection.projection",
              prefix + "encoder.pos_conv_embed.conv",
              prefix + "encoder.layers.{}",
              "attention.{}",
              "layer_norm",
              "feed_forward.intermediate_dense",
              "feed_forward.output_dense",
              "final_layer_norm",
              "final_proj"};
    }
  }
  throw Error(
      ErrorCode::kDataLoss,
      fmt::format(
          "{}: not a ContentVec/HuBERT base checkpoint: neither fairseq's \"post_extract_proj.weight\" "
          "nor Hugging Face's \"feature_projection.projection.weight\" is in it",
          file.file().path().string()));
}

int needed_layers(UnitsKind kind) {
  return kind == UnitsKind::kLayer9 || kind == UnitsKind::kLayer9Proj ? 9 : 12;
}

template <typename... Args>
std::string name_of(const std::string& pattern, Args... args) {
  return fmt::format(fmt::runtime(pattern), args...);
}

}  // namespace

UnitsKind units_kind(std::string_view encoder_name) {
  if (encoder_name == "contentvec768l12" || encoder_name == "hubertbase768l12") return UnitsKind::kLayer12;
  if (encoder_name == "contentvec768l12tta2x") return UnitsKind::kLayer12Tta2x;
  if (encoder_name == "contentvec768" || encoder_name == "hubertbase768") return UnitsKind::kLayer9;
  if (encoder_name == "contentvec" || encoder_name == "hubertbase") return UnitsKind::kLayer9Proj;
  throw Error(ErrorCode::kUnimplemented,
              fmt::format("data.encoder is \"{}\"; supported are contentvec768l12, contentvec768l12tta2x, "
                          "contentvec768, contentvec and their hubertbase names",
                          encoder_name));
}

ContentEncoder::ContentEncoder(const nn::Weights& file, UnitsKind kind, int heads) : kind_(kind) {
  const KeyNames names = find_names(file);
  const nn::Weights root = names.root.empty() ? file : file.sub(names.root);
  constexpr int kConvLayers = 7;
  for (int i = 0; i < kConvLayers; ++i) {
    convs_.push_back(
        nn::Conv1d::load(root.sub(name_of(names.conv, i)), /*stride=*/i == 0 ? 5 : 2, /*padding=*/0));
  }
  first_norm_ = nn::GroupNorm::load(root.sub(names.first_norm), convs_[0].weight.size(0));
  feature_norm_ = nn::LayerNorm::load(root.sub(names.feature_norm));
  feature_projection_ = nn::Linear::load(root.sub(names.projection));

  const nn::Weights position = root.sub(names.position);
  position_conv_.weight = position.folded_weight_norm("weight", /*dim=*/2);
  position_conv_.bias = position.tensor("bias");
  position_conv_.padding = position_conv_.weight.size(2) / 2;
  position_conv_.groups = position_conv_.weight.size(0) / position_conv_.weight.size(1);
  input_norm_ =
      nn::LayerNorm::load(root.sub(names.layers.substr(0, names.layers.find("layers")) + "layer_norm"));

  const std::int64_t width = feature_projection_.weight.size(0);
  heads_ = heads > 0 ? heads : static_cast<int>(std::max<std::int64_t>(1, width / 64));
  for (int i = 0; i < needed_layers(kind); ++i) {
    const nn::Weights scope = root.sub(name_of(names.layers, i));
    const auto projection = [&](const char* which) {
      return nn::Linear::load(scope.sub(name_of(names.attention, which)));
    };
    layers_.push_back({projection("q_proj"), projection("k_proj"), projection("v_proj"),
                       projection("out_proj"), nn::LayerNorm::load(scope.sub(names.attention_norm)),
                       nn::Linear::load(scope.sub(names.up)), nn::Linear::load(scope.sub(names.down)),
                       nn::LayerNorm::load(scope.sub(names.final_norm))});
  }
  if (kind == UnitsKind::kLayer9Proj) final_proj_ = nn::Linear::load(root.sub(names.final_proj));
}

torch::Tensor ContentEncoder::first_conv(const torch::Tensor& audio) const {
  return convs_[0](audio.unsqueeze(1));
}

torch::Tensor ContentEncoder::conv_features(const torch::Tensor& audio, const Pause& pause) const {
  if (audio.size(1) > kEncoderPieceFrames * kStackStride + kStackWidth)
    return conv_features_in_chunks(audio, pause);
  auto x = torch::gelu(first_norm_(first_conv(audio)));
  for (std::size_t i = 1; i < convs_.size(); ++i) x = torch::gelu(convs_[i](x));
  return x.transpose(1, 2);
}

// The stack has no padding, so pieces that overlap by its field of view are exact; only the normalisation
// after the first layer looks at the whole recording, and gets its mean and variance in a first pass.
torch::Tensor ContentEncoder::conv_features_in_chunks(const torch::Tensor& audio, const Pause& pause) const {
  const std::int64_t frames = (audio.size(1) - kStackWidth) / kStackStride + 1;
  const std::int64_t first_stride = convs_[0].stride;
  const std::int64_t first_kernel = convs_[0].weight.size(2);
  const std::int64_t first_frames = (audio.size(1) - first_kernel) / first_stride + 1;
  const std::int64_t step = kEncoderPieceFrames * kStackStride / first_stride;
  auto sum = torch::zeros({convs_[0].weight.size(0)}, audio.options().dtype(torch::kFloat64));
  auto square_sum = torch::zeros_like(sum);
  for (std::int64_t start = 0; start < first_frames; start += step) {
    if (pause) pause();
    const std::int64_t count = std::min(step, first_frames - start);
    const auto piece =
        audio.slice(1, start * first_stride, (start + count - 1) * first_stride + first_kernel);
    const auto x = first_conv(piece).squeeze(0).to(torch::kFloat64);
    sum += x.sum(1);
    square_sum += x.square().sum(1);
  }
  const auto mean = sum / static_cast<double>(first_frames);
  const auto variance = square_sum / static_cast<double>(first_frames) - mean.square();
  const auto scale64 = first_norm_.weight.to(torch::kFloat64) * torch::rsqrt(variance + 1e-5);
  const auto shift =
      (first_norm_.bias.to(torch::kFloat64) - mean * scale64).to(torch::kFloat32).view({1, -1, 1});
  const auto scale = scale64.to(torch::kFloat32).view({1, -1, 1});

  std::vector<torch::Tensor> parts;
  for (std::int64_t start = 0; start < frames; start += kEncoderPieceFrames) {
    if (pause) pause();
    const std::int64_t count = std::min(kEncoderPieceFrames, frames - start);
    const auto piece = audio.slice(1, start * kStackStride, (start + count - 1) * kStackStride + kStackWidth);
    auto x = torch::gelu(first_conv(piece) * scale + shift);
    for (std::size_t i = 1; i < convs_.size(); ++i) x = torch::gelu(convs_[i](x));
    parts.push_back(x.transpose(1, 2).contiguous());
  }
  return torch::cat(parts, 1);
}

torch::Tensor ContentEncoder::project(const torch::Tensor& features) const {
  return feature_projection_(feature_norm_(features));
}

torch::Tensor ContentEncoder::run_layer(const Layer& layer, const torch::Tensor& x) const {
  const std::int64_t time = x.size(1);
  const std::int64_t head_dim = x.size(2) / heads_;
  const auto split = [&](const torch::Tensor& t) {
    return t.view({1, time, heads_, head_dim}).transpose(1, 2);
  };
  const auto attended =
      nn::attention(split(layer.q(x)), split(layer.k(x)), split(layer.v(x)), kAttentionScoreBytes);
  const auto merged = attended.transpose(1, 2).reshape({1, time, x.size(2)});
  const auto hidden = layer.attention_norm(x + layer.out(merged));
  return layer.final_norm(hidden + layer.down(torch::gelu(layer.up(hidden))));
}

torch::Tensor ContentEncoder::layer_output(const torch::Tensor& audio, int layer, const Pause& pause) const {
  auto x = project(conv_features(audio, pause));
  // An even kernel with symmetric padding yields one frame too many at the end.
  const auto position = position_conv_(x.transpose(1, 2)).slice(2, 0, x.size(1));
  x = input_norm_(x + torch::gelu(position).transpose(1, 2));
  for (int i = 0; i < layer; ++i) {
    if (pause) pause();
    x = run_layer(layers_.at(static_cast<std::size_t>(i)), x);
  }
  return x;
}

torch::Tensor ContentEncoder::final_projection(const torch::Tensor& hidden) const {
  return final_proj_(hidden);
}

torch::Tensor ContentEncoder::encode_tta2x(const torch::Tensor& audio, const Pause& pause) const {
  auto plain = layer_output(audio, 12, pause);
  const auto shifted = layer_output(torch::constant_pad_nd(audio, {160, 0}), 12, pause);
  const std::int64_t extra = shifted.size(1) - plain.size(1);
  if (extra > 0) plain = torch::constant_pad_nd(plain, {0, 0, 0, extra});
  const auto both = torch::stack({shifted, plain}, 2).reshape({1, -1, plain.size(2)});
  return both.slice(1, 1, both.size(1) - (extra > 0 ? 1 : 0));
}

torch::Tensor ContentEncoder::encode(const torch::Tensor& audio, const Pause& pause) const {
  switch (kind_) {
    case UnitsKind::kLayer12:
      return layer_output(audio, 12, pause);
    case UnitsKind::kLayer12Tta2x:
      return encode_tta2x(audio, pause);
    case UnitsKind::kLayer9:
      return layer_output(audio, 9, pause);
    case UnitsKind::kLayer9Proj:
      return final_projection(layer_output(audio, 9, pause));
  }
  throw Error(ErrorCode::kInternal, "unknown units kind");
}

std::vector<std::int64_t> alignment_indexes(std::int64_t n_units, double ratio, std::int64_t n_frames) {
  std::vector<std::int64_t> indexes(static_cast<std::size_t>(n_frames));
  for (std::int64_t k = 0; k < n_frames; ++k) {
    const float position = static_cast<float>(ratio) * static_cast<float>(k);
    indexes[static_cast<std::size_t>(k)] =
        std::min(static_cast<std::int64_t>(std::nearbyintf(position)), n_units - 1);
  }
  return indexes;
}

torch::Tensor align_units(const torch::Tensor& units, double hop, int sample_rate, int encoder_hop,
                          int encoder_rate, std::int64_t n_frames) {
  const double ratio = (hop / sample_rate) / (static_cast<double>(encoder_hop) / encoder_rate);
  const auto indexes = alignment_indexes(units.size(1), ratio, n_frames);
  return units.index_select(1, torch::tensor(indexes, torch::kInt64).to(units.device()));
}

}  // namespace greenroom::models::ddsp_svc
