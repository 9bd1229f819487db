#include "models/index_tts/conditioners.h"

#include <torch/torch.h>

namespace greenroom::models::index_tts {

SpeakerConditioner::SpeakerConditioner(const nn::Weights& weights)
    : conformer_(weights.sub("conditioning_encoder")), perceiver_(weights.sub("perceiver_encoder")) {}

torch::Tensor SpeakerConditioner::operator()(const torch::Tensor& features) const {
  return perceiver_(conformer_(features)).to(torch::kFloat32);
}

EmotionConditioner::EmotionConditioner(const nn::Weights& weights)
    : conformer_(weights.sub("emo_conditioning_encoder")),
      perceiver_(weights.sub("emo_perceiver_encoder")),
      widen_(nn::Linear::load(weights.sub("emovec_layer"))),
      mix_(nn::Linear::load(weights.sub("emo_layer"))) {}

torch::Tensor EmotionConditioner::operator()(const torch::Tensor& features) const {
  const auto vector = perceiver_(conformer_(features)).squeeze(1);  // one latent
  return mix_(widen_(vector)).to(torch::kFloat32);
}

torch::Tensor merge_emotion(const torch::Tensor& speaker, const torch::Tensor& emotion, double alpha) {
  return speaker + alpha * (emotion - speaker);
}

}  // namespace greenroom::models::index_tts
