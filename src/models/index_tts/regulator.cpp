#include "models/index_tts/regulator.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include "base/error.h"

namespace greenroom::models::index_tts {

std::int64_t target_frames(std::int64_t codes) {
  return static_cast<std::int64_t>(static_cast<float>(codes) * 1.72F);
}

nn::Weights find_s2mel_part(const nn::Weights& file, const char* part, const char* probe) {
  for (const auto& root : {file.sub("net"), file}) {
    for (const auto& scope : {root.sub(part), root.sub(part).sub("module")}) {
      if (scope.has(probe)) return scope;
    }
  }
  throw base::Error(
      base::ErrorCode::kDataLoss,
      fmt::format("{}: not an IndexTTS-2 acoustic checkpoint (s2mel.pth): \"net.{}.{}\" is missing",
                  file.file().path().string(), part, probe));
}

// model.0 convolution, model.1 norm, model.2 activation, ..., and a last convolution over single frames.
Regulator::Regulator(const nn::Weights& file) {
  const auto latent = find_s2mel_part(file, "gpt_layer", "0.weight");
  for (int i = 0; latent.has(fmt::format("{}.weight", i)); ++i) {
    latent_layers_.push_back(nn::Linear::load(latent.sub(fmt::format("{}", i))));
  }
  const auto weights = find_s2mel_part(file, "length_regulator", "content_in_proj.weight");
  in_ = nn::Linear::load(weights.sub("content_in_proj"));
  int next = 0;
  for (; weights.has(fmt::format("model.{}.weight", next + 1)); next += 3) {
    blocks_.push_back({nn::Conv1d::load_same(weights.sub(fmt::format("model.{}", next))),
                       nn::GroupNorm::load(weights.sub(fmt::format("model.{}", next + 1)), 1)});
  }
  out_ = nn::Conv1d::load_same(weights.sub(fmt::format("model.{}", next)));
}

torch::Tensor Regulator::project_latent(const torch::Tensor& latent) const {
  auto x = latent;
  for (const auto& layer : latent_layers_) x = layer(x);
  return x;
}

torch::Tensor Regulator::stretch(const torch::Tensor& features, std::int64_t frames) const {
  auto x = torch::upsample_nearest1d(in_(features).transpose(1, 2).contiguous(), {frames});
  for (const auto& block : blocks_) x = torch::mish(block.norm(block.conv(x)));
  return out_(x).transpose(1, 2).contiguous();
}

}  // namespace greenroom::models::index_tts
