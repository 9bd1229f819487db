// What the GPT is told about a voice: components of their own, needed only when a reference changes. Their
// results depend on the reference alone and are small, so they are kept with the voice.
#pragma once

#include <torch/types.h>

#include "models/index_tts/conformer.h"
#include "models/index_tts/perceiver.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// Who speaks. IndexTTS indextts/gpt/model_v2.py UnifiedVoice.get_conditioning(). Immutable. Thread-safe.
class SpeakerConditioner {
 public:
  // `weights`: the scope that has "conditioning_encoder" and "perceiver_encoder".
  explicit SpeakerConditioner(const nn::Weights& weights);
  // Speech features -> [1, 32, width], float32. features: [1, frames, 1024].
  torch::Tensor operator()(const torch::Tensor& features) const;
  const Conformer& conformer() const { return conformer_; }

 private:
  Conformer conformer_;
  Perceiver perceiver_;
};

// How it is said. UnifiedVoice.get_emovec(). Immutable. Thread-safe.
class EmotionConditioner {
 public:
  // `weights`: the scope that has "emo_conditioning_encoder", "emo_perceiver_encoder", "emovec_layer" and
  // "emo_layer".
  explicit EmotionConditioner(const nn::Weights& weights);
  // Speech features -> [1, width], float32. features: [1, frames, 1024].
  torch::Tensor operator()(const torch::Tensor& features) const;

 private:
  Conformer conformer_;
  Perceiver perceiver_;
  nn::Linear widen_;  // emovec_layer
  nn::Linear mix_;    // emo_layer
};

// UnifiedVoice.merge_emovec(): speaker + alpha * (emotion - speaker), in that order of rounding. [1, width]
torch::Tensor merge_emotion(const torch::Tensor& speaker, const torch::Tensor& emotion, double alpha);

}  // namespace greenroom::models::index_tts
