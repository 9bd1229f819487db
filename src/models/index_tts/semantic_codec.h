// MaskGCT's semantic codec (RepCodec): speech in codes of an 8192-entry book, and codes back to features.
// Two components: the encoder, for a new voice only, and the small codebook, for every segment.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// Amphion codec/kmeans/repcodec_model.py: the encoder (Vocos backbone) and the projection into code space.
// Immutable; thread-safe.
class SemanticEncoder {
 public:
  explicit SemanticEncoder(const nn::Weights& file);

  // features [1, steps, width], scaled by SpeechScale -> [1, steps, code width], for
  // SemanticCodebook::nearest.
  torch::Tensor operator()(const torch::Tensor& features) const { return project(encode(features)); }

  torch::Tensor encode(const torch::Tensor& features) const;  // -> [1, steps, width]
  torch::Tensor project(const torch::Tensor& encoded) const;

 private:
  struct Block {
    nn::Conv1d depthwise;
    nn::LayerNorm norm;
    nn::Linear up, down;
    torch::Tensor gamma;
  };
  nn::Conv1d embed_;
  nn::LayerNorm norm_, final_norm_;
  std::vector<Block> blocks_;
  nn::Linear out_;
  nn::Linear in_project_;
};

// codec/amphion_codec/quantize/factorized_vector_quantize.py: the codes themselves and the way back out of
// their space. Immutable; thread-safe.
class SemanticCodebook {
 public:
  explicit SemanticCodebook(const nn::Weights& file);

  // vq2emb(): codes [batch, n], int64 -> [batch, n, width]. REQUIRES: 0 <= code < size().
  torch::Tensor operator()(const torch::Tensor& codes) const;

  // The code that points most nearly the same way: [1, steps, code width] -> [1, steps], int64.
  torch::Tensor nearest(const torch::Tensor& projected) const;

  std::int64_t size() const { return book_.size(0); }

 private:
  torch::Tensor book_;  // [codes, code width]
  nn::Linear out_project_;
};

}  // namespace greenroom::models::index_tts
