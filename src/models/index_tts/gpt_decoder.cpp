#include "models/index_tts/gpt_decoder.h"

#include <torch/torch.h>

#include "models/index_tts/portable_decoder.h"
#include "models/index_tts/row_decoder.h"

namespace greenroom::models::index_tts {

std::unique_ptr<GptDecoder> make_decoder(const Gpt& gpt, const DecodePlan& plan, DecoderKind kind) {
  const auto& weight = gpt.mel_embedding();
  const bool by_rows = weight.device().is_cpu() && weight.scalar_type() == torch::kFloat32;
  if (kind == DecoderKind::kRows || (kind == DecoderKind::kBest && by_rows))
    return std::make_unique<RowDecoder>(gpt, plan);
  return std::make_unique<PortableDecoder>(gpt, plan);
}

}  // namespace greenroom::models::index_tts
