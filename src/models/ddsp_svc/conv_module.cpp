#include "models/ddsp_svc/conv_module.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include "base/error.h"

namespace greenroom::models::ddsp_svc {

Gate gate_of(Generation generation, const std::string& glu_type) {
  if (generation == Generation::k60) return Gate::kSigmoid;
  if (generation != Generation::k63Glu) return Gate::kSwish;
  if (glu_type == "atanglu") return Gate::kAtan;
  if (glu_type == "softsign_glu") return Gate::kSoftsign;
  if (glu_type == "double_softsign_glu") return Gate::kDoubleSoftsign;
  throw base::Error(
      base::ErrorCode::kInvalidArgument,
      fmt::format("model.glu_type is \"{}\"; known are atanglu, softsign_glu, double_softsign_glu",
                  glu_type));
}

torch::Tensor apply_gate(Gate gate, const torch::Tensor& x) {
  const auto halves = x.chunk(2, -1);
  const auto& out = halves[0];
  const auto& control = halves[1];
  const auto softsign = [](const torch::Tensor& t) { return t / (1 + t.abs()); };
  switch (gate) {
    case Gate::kSigmoid:
      return out * torch::sigmoid(control);
    case Gate::kSwish:
      return out * torch::silu(control);
    case Gate::kAtan:
      return out * torch::atan(control);
    case Gate::kSoftsign:
      return out * softsign(control);
    case Gate::kDoubleSoftsign:
      return softsign(out) * softsign(control);
  }
  throw base::Error(base::ErrorCode::kInternal, "unknown gate");
}

nn::Linear load_pointwise(const nn::Weights& scope) {
  return {scope.tensor("weight", {-1, -1, 1}).squeeze(2), scope.tensor_or_none("bias")};
}

ConvModule::ConvModule(const nn::Weights& scope, Generation generation, Gate gate)
    : generation_(generation), gate_(gate) {
  if (generation < Generation::k63) {
    has_norm_ = scope.has("0.weight");
    if (has_norm_) norm_ = nn::LayerNorm::load(scope.sub("0"));
    first_ = load_pointwise(scope.sub("2"));
    depthwise_ = nn::Conv1d::load_depthwise(scope.sub("4"));
    if (generation != Generation::k60) prelu_ = scope.tensor("5.weight", {-1});
    last_ = load_pointwise(scope.sub("6"));
    return;
  }
  const int shift = generation == Generation::k63Glu ? 1 : 0;  // no norm layer in front there
  const auto layer = [&](int index) { return scope.sub(fmt::format("{}", index - shift)); };
  has_norm_ = generation == Generation::k63 && scope.has("0.weight");
  if (has_norm_) norm_ = nn::LayerNorm::load(scope.sub("0"));
  depthwise_ = nn::Conv1d::load_depthwise(layer(2));
  first_ = nn::Linear::load(layer(4));
  second_ = nn::Linear::load(layer(6));
  last_ = nn::Linear::load(layer(8));
}

torch::Tensor ConvModule::depthwise_over_time(const torch::Tensor& x) const {
  return depthwise_(x.transpose(1, 2).contiguous()).transpose(1, 2);
}

torch::Tensor ConvModule::operator()(const torch::Tensor& x) const {
  auto y = has_norm_ ? norm_(x) : x;
  if (generation_ >= Generation::k63) {
    if (generation_ == Generation::k63Glu) y = nn::rms_norm(y);
    y = apply_gate(gate_, first_(depthwise_over_time(y)));
    return last_(apply_gate(gate_, second_(y)));
  }
  y = depthwise_over_time(apply_gate(gate_, first_(y)));
  if (generation_ == Generation::k60) return last_(torch::silu(y));
  return last_(torch::where(y >= 0, y, y * prelu_));
}

}  // namespace greenroom::models::ddsp_svc
