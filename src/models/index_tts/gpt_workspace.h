// How much memory beside the weights the GPT's parts use at most, from sizes alone, so that a run is admitted
// before it starts. No torch here.
//
//   generation      2 * layers * width * element * segments * (prefix + 1 + (codes - 1) * beams)   keys and
//   values
//                   + what a prefix needs on its way through one block, and a step's rows
//   latents         what the whole sequence needs on its way through one block
//   conditioner     the convolution of kConformerPiece frames, which is bins * channels wide, and one block
//   emotion model   2 * layers * kv_width * element * (prompt + answer) keys and values, one block, the
//   scores
//
// Each is a bound, checked against what libtorch allocated by the benchmark (bench/gpt.cpp) and the tests.
#pragma once

#include <cstdint>

namespace greenroom::models::index_tts {

struct GptSizes {
  std::int64_t layers = 24;
  std::int64_t width = 1280;
  std::int64_t heads = 20;
  std::int64_t codes = 8194;       // that the head scores
  std::int64_t element_bytes = 4;  // of the weights
};

struct GenerationSizes {
  std::int64_t prefix = 0;  // vectors of the longest prefix: 34 + text + 2
  std::int64_t max_codes = 1500;
  std::int64_t beams = 3;
  std::int64_t segments = 1;
};

std::uint64_t generation_workspace_bytes(const GptSizes& gpt, const GenerationSizes& run);

// `sequence`: 34 + text + 2 + codes + 1.
std::uint64_t latents_workspace_bytes(const GptSizes& gpt, std::int64_t sequence);

struct ConditionerSizes {
  std::int64_t features = 1024;  // width of the speech features
  std::int64_t channels = 512;   // of the convolution, which is also the conformer's width
  std::int64_t heads = 8;
  std::int64_t inner = 2048;         // of the feed-forward
  std::int64_t latent_width = 1280;  // of the perceiver
  std::int64_t element_bytes = 4;
};

std::uint64_t conditioner_workspace_bytes(const ConditionerSizes& conditioner, std::int64_t frames);

struct LlmSizes {
  std::int64_t layers = 28;
  std::int64_t width = 1024;
  std::int64_t heads = 16;
  std::int64_t kv_heads = 8;
  std::int64_t head_dim = 128;
  std::int64_t inner = 3072;
  std::int64_t vocabulary = 151936;
  std::int64_t element_bytes = 4;
};

std::uint64_t llm_workspace_bytes(const LlmSizes& llm, std::int64_t prompt, std::int64_t max_new_tokens);

}  // namespace greenroom::models::index_tts
