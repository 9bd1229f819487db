#include "models/index_tts/loader.h"

#include <spdlog/fmt/fmt.h>

#include "base/error.h"
#include "models/index_tts/bigvgan.h"
#include "models/index_tts/conditioners.h"
#include "models/index_tts/emotion_llm.h"
#include "models/index_tts/flow_estimator.h"
#include "models/index_tts/gpt.h"
#include "models/index_tts/regulator.h"
#include "models/index_tts/semantic_codec.h"
#include "models/index_tts/speaker_encoder.h"
#include "models/index_tts/speech_encoder.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {
namespace {

nn::Weights at_root(const nn::Weights& file, std::string root) {
  if (root.empty()) return file;
  root.pop_back();  // the dot
  return file.sub(root);
}

}  // namespace

std::shared_ptr<core::LoadedComponent> load_component(const Description& description, std::size_t index,
                                                      base::DeviceId device,
                                                      const core::LoadControl& control) {
  const auto& spec = description.components.at(index);
  if (control.cancelled && control.cancelled->load()) {
    throw base::Error(base::ErrorCode::kCancelled,
                      fmt::format("loading {} was cancelled", spec.file.string()));
  }
  const auto component = static_cast<Component>(index);
  const auto& config = description.config;
  const auto file = checkpoint::Checkpoint::open(spec.file);
  const auto options =
      block_options(control, component_weights(component, file), dtype_of(component, description.precision));
  const auto make = [&](const auto& build) { return load_network(spec, device, options, file, build); };
  switch (component) {
    case kSpeechEncoder:
      return make([&](const nn::Weights& w) { return SpeechEncoder(w, description.speech_encoder_config); });
    case kSemanticEncoder:
      return make([](const nn::Weights& w) { return SemanticEncoder(w); });
    case kCodebook:
      return make([](const nn::Weights& w) { return SemanticCodebook(w); });
    case kSpeakerEncoder:
      return make([](const nn::Weights& w) { return SpeakerEncoder(w); });
    case kSpeakerConditioner:
      return make([&](const nn::Weights& w) { return SpeakerConditioner(at_root(w, gpt_root(file))); });
    case kEmotionConditioner:
      return make([&](const nn::Weights& w) { return EmotionConditioner(at_root(w, gpt_root(file))); });
    case kGpt:
      return make([&](const nn::Weights& w) { return Gpt(at_root(w, gpt_root(file)), config.gpt); });
    case kRegulator:
      return make([](const nn::Weights& w) { return Regulator(w); });
    case kFlow:
      return make([&](const nn::Weights& w) { return FlowEstimator(w, config.acoustic.heads); });
    case kVocoder:
      return make([&](const nn::Weights& w) { return Vocoder(w, description.vocoder_config); });
    case kEmotionLlm:
      return make([&](const nn::Weights& w) { return EmotionLlm(w, description.emotion_llm_config); });
  }
  throw base::Error(base::ErrorCode::kInternal, "no such component");
}

}  // namespace greenroom::models::index_tts
