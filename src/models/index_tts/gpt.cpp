#include "models/index_tts/gpt.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include "base/error.h"

namespace greenroom::models::index_tts {
namespace {

using base::Error;
using base::ErrorCode;

torch::Tensor rows_of(const torch::Tensor& table, const std::vector<std::int64_t>& ids) {
  return table.index_select(0, torch::tensor(ids, torch::kInt64).to(table.device()));
}

void require_ids(std::span<const std::int64_t> ids, std::int64_t count, const char* what) {
  for (const auto id : ids) {
    if (id >= 0 && id < count) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} {} is outside of the model's vocabulary of {}", what, id, count));
  }
}

}  // namespace

Gpt::Gpt(const nn::Weights& weights, const GptConfig& config)
    : first_norm_(nn::LayerNorm::load(weights.sub("gpt.ln_f"))),
      second_norm_(nn::LayerNorm::load(weights.sub("final_norm"))),
      head_{weights.tensor("mel_head.weight", {-1, -1}), weights.tensor("mel_head.bias", {-1})},
      text_embedding_(weights.tensor("text_embedding.weight", {-1, -1})),
      mel_embedding_(weights.tensor("mel_embedding.weight", {head_.weight.size(0), head_.weight.size(1)})),
      speed_embedding_(weights.tensor("speed_emb.weight", {2, -1})),
      start_text_(config.start_text_token),
      stop_text_(config.stop_text_token),
      space_{head_.weight.size(0), config.start_mel_token, config.stop_mel_token} {
  const std::int64_t width = mel_embedding_.size(1);
  text_positions_ = weights.tensor("text_pos_embedding.emb.weight", {-1, width});
  mel_positions_ = weights.tensor("mel_pos_embedding.emb.weight", {-1, width});
  const std::int64_t heads = config.heads;
  const bool fits = heads > 0 && width % heads == 0 && space_.start < space_.codes &&
                    space_.stop < space_.codes && start_text_ < text_embedding_.size(0) &&
                    stop_text_ < text_embedding_.size(0) && text_positions_.size(0) > 2 &&
                    mel_positions_.size(0) > 2;
  const int layers = weights.count("gpt.h");
  if (!fits || layers == 0) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: the GPT ({} layers, width {}, {} codes, {} text tokens) does not fit its "
                            "config.yaml (heads {}, start_mel_token {}, stop_mel_token {})",
                            weights.file().path().string(), layers, width, space_.codes,
                            text_embedding_.size(0), heads, space_.start, space_.stop));
  }
  for (int i = 0; i < layers; ++i)
    blocks_.push_back(GptBlock::load(weights.sub(fmt::format("gpt.h.{}", i)), heads));
}

// UnifiedVoice.inference_speech(): the speaker's vectors with the emotion added, then the speed embeddings.
torch::Tensor Gpt::condition(const torch::Tensor& speaker, const torch::Tensor& emotion) const {
  const auto options = mel_embedding_.options();
  const auto vectors = speaker.to(options).squeeze(0) + emotion.to(options);
  return torch::cat({vectors, speed_embedding_.flip({0})}, 0);
}

torch::Tensor Gpt::embed_text(std::vector<std::int64_t> text) const {
  require_ids(text, text_embedding_.size(0), "text token");
  if (static_cast<std::int64_t>(text.size()) > max_text_tokens()) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("a segment of {} text tokens is longer than the model's {}; make segments shorter",
                    text.size(), max_text_tokens()));
  }
  text.insert(text.begin(), start_text_);
  text.push_back(stop_text_);
  const auto count = static_cast<std::int64_t>(text.size());
  return rows_of(text_embedding_, text) + text_positions_.slice(0, 0, count);
}

torch::Tensor Gpt::embed_codes(const std::vector<std::int64_t>& codes) const {
  return rows_of(mel_embedding_, codes) + mel_positions_.slice(0, 0, static_cast<std::int64_t>(codes.size()));
}

torch::Tensor Gpt::start_row() const {
  return embed_codes({space_.start});
}

torch::Tensor Gpt::prefix(const torch::Tensor& speaker, const torch::Tensor& emotion,
                          std::span<const std::int64_t> text) const {
  std::vector<std::int64_t> kept;
  for (const auto id : text) {
    if (id != start_text_ && id != stop_text_) kept.push_back(id);
  }
  return torch::cat({condition(speaker, emotion), embed_text(std::move(kept))}, 0).unsqueeze(0);
}

torch::Tensor Gpt::run_blocks(torch::Tensor x, const KeepLayer& keep) const {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    x = keep ? blocks_[i](x, [&](const auto& keys, const auto& values) { keep(i, keys, values); })
             : blocks_[i](x);
  }
  return x;
}

torch::Tensor Gpt::normalize(const torch::Tensor& x) const {
  return second_norm_(first_norm_(x));
}

torch::Tensor Gpt::score(const torch::Tensor& x) const {
  return head_(normalize(x)).to(torch::kFloat32);
}

// UnifiedVoice.forward()
torch::Tensor Gpt::latents(const torch::Tensor& speaker, const torch::Tensor& emotion,
                           std::span<const std::int64_t> text, std::span<const std::int64_t> codes) const {
  const auto count = static_cast<std::int64_t>(codes.size());
  require_ids(codes, space_.codes, "code");
  if (count > max_codes()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} codes are more than the model's {}", count, max_codes()));
  }
  // Upstream feeds the stop code too and drops what it and the last code give.
  std::vector<std::int64_t> fed{space_.start};
  fed.insert(fed.end(), codes.begin(), codes.end());
  const auto x =
      torch::cat({condition(speaker, emotion), embed_text({text.begin(), text.end()}), embed_codes(fed)}, 0);
  const auto hidden = run_blocks(x, {});
  const std::int64_t first = x.size(0) - count - 1;
  return normalize(hidden.slice(0, first, first + count)).to(torch::kFloat32).unsqueeze(0);
}

}  // namespace greenroom::models::index_tts
