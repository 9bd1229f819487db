#include "models/index_tts/gpt_decoder.h"

#include <torch/torch.h>

#include "models/index_tts/portable_decoder.h"
#include "models/index_tts/row_decoder.h"

namespace greenroom::models::index_tts {

namespace {

// Keys that a step of kGraph looks at, in steps of. Each new number is one more graph to record, which takes
// as long as some ten replays; on the other side are keys that are read in vain, half of this on average: 31
// MB of float16 at published sizes, beside a gigabyte of weights.
constexpr std::int64_t kGraphKeys = 512;

DecoderKind best_kind(const torch::Tensor& weight) {
  if (!weight.device().is_cpu()) return DecoderKind::kGraph;
  return weight.scalar_type() == torch::kFloat32 ? DecoderKind::kRows : DecoderKind::kPortable;
}

}  // namespace

std::unique_ptr<GptDecoder> make_decoder(const Gpt& gpt, const DecodePlan& plan, DecoderKind kind) {
  if (kind == DecoderKind::kBest) kind = best_kind(gpt.mel_embedding());
  if (kind == DecoderKind::kRows) return std::make_unique<RowDecoder>(gpt, plan);
  return std::make_unique<PortableDecoder>(gpt, plan, kind == DecoderKind::kGraph ? kGraphKeys : 1);
}

}  // namespace greenroom::models::index_tts
