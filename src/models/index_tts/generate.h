// Codes of speech for one or several segments of a text.
#pragma once

#include <torch/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "models/index_tts/code_picker.h"
#include "models/index_tts/generation.h"
#include "models/index_tts/gpt.h"
#include "models/index_tts/gpt_decoder.h"

namespace greenroom::models::index_tts {

struct GenerationSegment {
  torch::Tensor prefix;                // [1, prefix, width], of Gpt::prefix()
  std::shared_ptr<CodePicker> picker;  // null: the best instead of a draw, as without do_sample
};

struct GenerationControl {
  // After every step: how many codes the longest unfinished segment has, of at most how many.
  std::function<void(std::int64_t codes, std::int64_t limit)> progress;  // may be empty
  const std::atomic<bool>* cancelled = nullptr;                          // looked at before every step
  DecoderKind decoder = DecoderKind::kBest;
};

// The segments are decoded side by side, each with its own picker. With DecoderKind::kRows a segment's codes
// are the same, bit for bit, as when it is decoded alone; with kPortable they are up to the rounding of
// libtorch's products. Throws base::Error: kInvalidArgument (an option out of range), kCancelled, kInternal
// (scores that are not finite).
std::vector<GeneratedCodes> generate(const Gpt& gpt, std::vector<GenerationSegment> segments,
                                     const GenerationOptions& options, const GenerationControl& control = {});

}  // namespace greenroom::models::index_tts
