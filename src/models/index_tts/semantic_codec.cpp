#include "models/index_tts/semantic_codec.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include "base/error.h"

namespace greenroom::models::index_tts {
namespace {

constexpr double kNormEps = 1e-6;  // of the Vocos backbone's norms
constexpr double kLengthFloor = 1e-12;
constexpr const char* kQuantizer = "quantizer.quantizers.0";

// A convolution over single frames, as a linear layer.
nn::Linear load_pointwise(const nn::Weights& weights) {
  const auto weight = weights.folded_weight_norm();
  return {weight.reshape({weight.size(0), weight.size(1)}), weights.tensor_or_none("bias")};
}

torch::Tensor unit_length(const torch::Tensor& rows) {
  return rows / rows.norm(2, -1, /*keepdim=*/true).clamp_min(kLengthFloor);
}

}  // namespace

SemanticEncoder::SemanticEncoder(const nn::Weights& file) {
  const auto backbone = file.sub("encoder.0");
  embed_ = nn::Conv1d::load_same(backbone.sub("embed"));
  norm_ = nn::LayerNorm::load(backbone.sub("norm"), kNormEps);
  for (int i = 0; i < backbone.count("convnext"); ++i) {
    const auto block = backbone.sub(fmt::format("convnext.{}", i));
    blocks_.push_back({nn::Conv1d::load_depthwise(block.sub("dwconv")),
                       nn::LayerNorm::load(block.sub("norm"), kNormEps),
                       nn::Linear::load(block.sub("pwconv1")), nn::Linear::load(block.sub("pwconv2")),
                       block.tensor("gamma", {-1})});
  }
  final_norm_ = nn::LayerNorm::load(backbone.sub("final_layer_norm"), kNormEps);
  out_ = nn::Linear::load(file.sub("encoder.1"));
  in_project_ = load_pointwise(file.sub(kQuantizer).sub("in_project"));
}

torch::Tensor SemanticEncoder::encode(const torch::Tensor& features) const {
  auto x = norm_(embed_(features.transpose(1, 2)).transpose(1, 2).contiguous());
  for (const auto& block : blocks_) {
    const auto y = block.norm(block.depthwise(x.transpose(1, 2)).transpose(1, 2).contiguous());
    x = torch::addcmul(x, block.down(torch::gelu(block.up(y))), block.gamma);
  }
  return out_(final_norm_(x));
}

torch::Tensor SemanticEncoder::project(const torch::Tensor& encoded) const {
  return in_project_(encoded);
}

SemanticCodebook::SemanticCodebook(const nn::Weights& file) {
  const auto quantizer = file.sub(kQuantizer);
  book_ = quantizer.sub("codebook").tensor("weight", {-1, -1});
  out_project_ = load_pointwise(quantizer.sub("out_project"));
  if (out_project_.weight.size(1) != book_.size(1)) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: codes have {} values, the projection takes {}",
                                  file.file().path().string(), book_.size(1), out_project_.weight.size(1)));
  }
}

torch::Tensor SemanticCodebook::operator()(const torch::Tensor& codes) const {
  return out_project_(torch::embedding(book_, codes));
}

torch::Tensor SemanticCodebook::nearest(const torch::Tensor& projected) const {
  const auto e = unit_length(projected.squeeze(0));  // [steps, code width]
  const auto book = unit_length(book_);
  // |e|^2 - 2 e c + |c|^2 with upstream's rounding: the lengths differ from 1 in the last bit.
  const auto distance = e.square().sum(1, /*keepdim=*/true) - 2 * torch::matmul(e, book.t()) +
                        book.square().sum(1).unsqueeze(0);
  return torch::argmax(-distance, 1).unsqueeze(0);
}

}  // namespace greenroom::models::index_tts
