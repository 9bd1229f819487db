#include "models/index_tts/gpt_workspace.h"

#include <algorithm>

namespace greenroom::models::index_tts {
namespace {

constexpr std::int64_t kInnerPerWidth = 4;    // of a GPT-2 block
constexpr std::int64_t kCausalSlice = 256;    // as in gpt_block.h
constexpr std::int64_t kConformerPiece = 64;  // as in conformer.h
constexpr std::int64_t kSlack = 4 << 20;      // small tensors, and the allocator's rounding

// A sequence in one block: x, its norm, q, k and v as one and apart, the scaled keys, what was attended, the
// residual; the feed-forward's two inner tensors; the scores of a slice, their softmax and its mask.
std::int64_t block_bytes(const GptSizes& gpt, std::int64_t time) {
  constexpr std::int64_t kTensors = 14;
  const std::int64_t rows = time * gpt.width * (kTensors + 2 * kInnerPerWidth) * gpt.element_bytes;
  const std::int64_t slice = std::min(time, kCausalSlice);
  return rows + gpt.heads * slice * time * 2 * gpt.element_bytes + slice * time * 2;
}

}  // namespace

std::uint64_t generation_workspace_bytes(const GptSizes& gpt, const GenerationSizes& run) {
  const std::int64_t rows = run.beams * run.segments;
  const std::int64_t places = run.prefix + 1 + run.max_codes * run.beams;
  const std::int64_t cache = 2 * gpt.layers * gpt.width * gpt.element_bytes * run.segments * places;
  // The paths of the beams (twice), the scores of all heads and their softmax, the scores of the codes.
  const std::int64_t paths = 2 * rows * places * gpt.element_bytes;
  const std::int64_t attention = 2 * gpt.heads * rows * places * gpt.element_bytes;
  const std::int64_t step = rows * (gpt.width * 24 * 4 + gpt.codes * 4 * 4);
  // Twice: what CUDA graphs of the step use is theirs for as long as they live.
  return static_cast<std::uint64_t>(cache + paths + 2 * (step + attention) + kSlack +
                                    block_bytes(gpt, run.prefix + 1));
}

std::uint64_t latents_workspace_bytes(const GptSizes& gpt, std::int64_t sequence) {
  return static_cast<std::uint64_t>(block_bytes(gpt, sequence) + sequence * gpt.width * 8 + kSlack);
}

std::uint64_t conditioner_workspace_bytes(const ConditionerSizes& sizes, std::int64_t frames) {
  const std::int64_t halved = std::max<std::int64_t>(1, (frames - 1) / 2);
  const std::int64_t bins = (sizes.features - 1) / 2;
  const std::int64_t piece = std::min(halved, kConformerPiece);
  // The convolution, its activation, the copy with the channels beside the bins; and its unfolded input.
  const std::int64_t convolution = piece * bins * (3 * sizes.channels + 9) * sizes.element_bytes +
                                   frames * sizes.features * sizes.element_bytes;
  const std::int64_t rows = halved * (16 * sizes.channels + 2 * sizes.inner) * sizes.element_bytes;
  const std::int64_t scores = 4 * sizes.heads * halved * halved * sizes.element_bytes;
  constexpr std::int64_t kLatents = 32;
  const std::int64_t perceiver = (halved + kLatents) * 8 * sizes.latent_width * sizes.element_bytes;
  return static_cast<std::uint64_t>(std::max(convolution, rows + scores) + perceiver + kSlack);
}

std::uint64_t llm_workspace_bytes(const LlmSizes& llm, std::int64_t prompt, std::int64_t max_new_tokens) {
  const std::int64_t cache =
      2 * llm.layers * llm.kv_heads * llm.head_dim * llm.element_bytes * (prompt + max_new_tokens);
  const std::int64_t rows = prompt * (8 * llm.width + 6 * llm.heads * llm.head_dim + 4 * llm.inner) *
                            std::max<std::int64_t>(4, llm.element_bytes);
  const std::int64_t scores = llm.heads * prompt * prompt * (4 + 4 + llm.element_bytes);
  return static_cast<std::uint64_t>(cache + rows + scores + 2 * llm.vocabulary * 4 + kSlack);
}

}  // namespace greenroom::models::index_tts
