// w2v-bert 2.0 as IndexTTS uses it: the first 17 of its 24 layers, whose output says what was spoken and how.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "models/index_tts/config.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

inline constexpr int kSpeechEncoderLayers = 17;  // hidden_states[17]; the later layers are not read

// transformers modeling_wav2vec2_bert.py, Wav2Vec2BertModel with position_embeddings_type "relative_key".
// Immutable; thread-safe.
class SpeechEncoder {
 public:
  // Fewer layers are taken when the file has fewer.
  explicit SpeechEncoder(const nn::Weights& file, const SpeechEncoderConfig& config = {},
                         int layers = kSpeechEncoderLayers);

  // features [1, steps, 160], mask [1, steps] (0: padding) -> [1, steps, width], the last layer's output
  // without a final norm. Every step comes out, padding too.
  torch::Tensor operator()(const torch::Tensor& features, const torch::Tensor& mask) const;

  // The same, with the projected features first and every layer's output after them.
  std::vector<torch::Tensor> hidden_states(const torch::Tensor& features, const torch::Tensor& mask) const;

 private:
  struct FeedForward {
    nn::LayerNorm norm;
    nn::Linear up, down;
    torch::Tensor operator()(const torch::Tensor& x) const;
  };
  struct Layer {
    FeedForward before, after;
    nn::LayerNorm attention_norm, conv_norm, depthwise_norm, final_norm;
    nn::Linear q, k, v, out;
    torch::Tensor distances;   // [left + right + 1, head_dim]
    torch::Tensor pointwise1;  // [2 * width, width]
    torch::Tensor depthwise;   // [width, 1, kernel]
    torch::Tensor pointwise2;  // [width, width]
    torch::Tensor attend(const torch::Tensor& x, const torch::Tensor& padding,
                         const torch::Tensor& distance_index) const;
    torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& padding) const;
    torch::Tensor operator()(torch::Tensor x, const torch::Tensor& padding,
                             const torch::Tensor& distance_index) const;
  };
  FeedForward load_feed_forward(const nn::Weights& layer, const char* norm, const char* net) const;
  Layer load_layer(const nn::Weights& weights) const;
  torch::Tensor project(const torch::Tensor& features, const torch::Tensor& padding) const;
  torch::Tensor distance_index(std::int64_t steps, torch::Device device) const;

  SpeechEncoderConfig config_;
  nn::LayerNorm feature_norm_;
  nn::Linear projection_;
  std::vector<Layer> layers_;
};

// wav2vec2bert_stats.pt: brings the encoder's output to zero mean and unit variance. Immutable; thread-safe.
class SpeechScale {
 public:
  explicit SpeechScale(const nn::Weights& file);
  torch::Tensor operator()(const torch::Tensor& encoded) const;  // [1, steps, width], same shape

 private:
  torch::Tensor mean_, deviation_;
};

}  // namespace greenroom::models::index_tts
