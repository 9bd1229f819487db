// The trunk of IndexTTS-2's GPT: from a speaker's and an emotion's vectors and a text to codes of speech, and
// from these to the hidden states the acoustic model is given. IndexTTS indextts/gpt/model_v2.py
// UnifiedVoice.
//
// The conditioning encoders are components of their own (speaker_conditioner.h, emotion_conditioner.h): a
// known voice needs only what they once gave.
//
// Quirks of upstream, kept: while decoding, the k-th generated code is fed with position k + 1, so that
// position 1 is never used, whereas latents() counts without a gap; and two layer norms follow each other at
// the end.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "models/index_tts/code_search.h"
#include "models/index_tts/config.h"
#include "models/index_tts/gpt_block.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// Immutable. Thread-safe. Runs on the device and in the dtype of its weights.
class Gpt {
 public:
  // `weights`: the scope of gpt.pth that has "gpt", "mel_head", ... Throws Error(kDataLoss) for tensors that
  // do not fit together.
  Gpt(const nn::Weights& weights, const GptConfig& config);

  std::int64_t width() const { return mel_embedding_.size(1); }
  const CodeSpace& code_space() const { return space_; }
  std::int64_t max_text_tokens() const { return text_positions_.size(0) - 2; }  // of a segment
  std::int64_t max_codes() const { return mel_positions_.size(0) - 2; }         // of a segment

  // What generation starts from, the start code not included: [1, prefix, width]. Ids 0 and 1 of the text are
  // dropped; upstream then pads on the left with masked zeros, which change nothing and are left out.
  //   speaker: [1, latents, width]; emotion: [1, width]
  // Throws Error(kInvalidArgument) for a text that is too long or an id outside of the vocabulary.
  torch::Tensor prefix(const torch::Tensor& speaker, const torch::Tensor& emotion,
                       std::span<const std::int64_t> text) const;

  // The hidden states that predict each of the codes (without the stop code): [1, codes, width], float32.
  torch::Tensor latents(const torch::Tensor& speaker, const torch::Tensor& emotion,
                        std::span<const std::int64_t> text, std::span<const std::int64_t> codes) const;

  // The rest is for decoders.

  // A whole sequence through the blocks, without the last norms. x: [time, width]. `keep` is told the keys
  // and values of every layer; may be empty.
  using KeepLayer =
      std::function<void(std::size_t layer, const torch::Tensor& keys, const torch::Tensor& values)>;
  torch::Tensor run_blocks(torch::Tensor x, const KeepLayer& keep) const;
  torch::Tensor normalize(const torch::Tensor& x) const;  // both last norms
  torch::Tensor score(const torch::Tensor& x) const;      // [rows, width] -> [rows, codes], float32
  torch::Tensor start_row() const;                        // of the start code: [1, width]

  const std::vector<GptBlock>& blocks() const { return blocks_; }
  const nn::LayerNorm& first_norm() const { return first_norm_; }
  const nn::LayerNorm& second_norm() const { return second_norm_; }
  const nn::Linear& head() const { return head_; }
  const torch::Tensor& mel_embedding() const { return mel_embedding_; }
  const torch::Tensor& mel_positions() const { return mel_positions_; }

 private:
  torch::Tensor condition(const torch::Tensor& speaker, const torch::Tensor& emotion) const;
  torch::Tensor embed_text(std::vector<std::int64_t> text) const;
  torch::Tensor embed_codes(const std::vector<std::int64_t>& codes) const;

  std::vector<GptBlock> blocks_;
  nn::LayerNorm first_norm_;   // gpt.ln_f
  nn::LayerNorm second_norm_;  // final_norm
  nn::Linear head_;            // mel_head
  torch::Tensor text_embedding_, text_positions_;
  torch::Tensor mel_embedding_, mel_positions_;
  torch::Tensor speed_embedding_;  // [2, width]
  std::int64_t start_text_;
  std::int64_t stop_text_;
  CodeSpace space_;
};

}  // namespace greenroom::models::index_tts
