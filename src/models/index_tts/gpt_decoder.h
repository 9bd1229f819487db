// Decoding with a GPT, code by code: the key-value cache and the step. The cache is allocated once; the beams
// of a segment share the keys of its prefix and of what they have in common, and nothing is moved when beams
// change places: every row has a list of where its keys are.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <span>

#include "models/index_tts/gpt.h"

namespace greenroom::models::index_tts {

struct DecodePlan {
  int segments = 1;  // decoded side by side
  int beams = 1;
  std::int64_t prefix = 0;  // vectors of the longest prefix
  std::int64_t codes = 0;   // fed at most; the last one generated is not fed
};

// Rows are numbered segment * beams + beam. Not thread-safe; one per run. Must not outlive the Gpt.
class GptDecoder {
 public:
  virtual ~GptDecoder() = default;

  // The prefix of a segment ([1, prefix, width]) and the start code. Afterwards logits() has the scores of
  // the first code, the same for all its beams.
  virtual void start(int segment, const torch::Tensor& prefix) = 0;

  struct Input {
    int row;
    int parent;  // the row it continues, of the same segment
    std::int64_t code;
  };
  // The next code of some segments, all beams of each, in rising order of the rows. Every segment that takes
  // part must have taken part in all steps before.
  virtual void step(std::span<const Input> inputs) = 0;

  // Of a segment after its last step: [beams, codes], in host memory; the caller may write there.
  virtual std::span<float> logits(int segment) = 0;
};

enum class DecoderKind {
  kBest,      // kRows where it works: float32 weights on the CPU; kGraph on a GPU
  kRows,      // kernels that read every weight once per step; rows do not depend on what else is decoded
  kPortable,  // libtorch's operations, for any device and dtype
  kGraph,     // the same with shapes that seldom change, replayed as a CUDA graph where there is one
};

std::unique_ptr<GptDecoder> make_decoder(const Gpt& gpt, const DecodePlan& plan,
                                         DecoderKind kind = DecoderKind::kBest);

}  // namespace greenroom::models::index_tts
