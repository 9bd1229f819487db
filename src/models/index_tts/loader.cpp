#include "models/index_tts/loader.h"

#include <spdlog/fmt/fmt.h>

#include "base/error.h"
#include "checkpoint/mapped_file.h"
#include "models/index_tts/bigvgan.h"
#include "models/index_tts/conditioners.h"
#include "models/index_tts/emotion_llm.h"
#include "models/index_tts/flow_estimator.h"
#include "models/index_tts/gpt.h"
#include "models/index_tts/regulator.h"
#include "models/index_tts/semantic_codec.h"
#include "models/index_tts/speaker_encoder.h"
#include "models/index_tts/speech_encoder.h"
#include "nn/guard.h"
#include "nn/weight_block.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {
namespace {

// What names a component's weights in the host cache: a changed file is another one.
std::string image_key(const core::ComponentSpec& spec, const checkpoint::Checkpoint& file) {
  std::error_code ignored;
  const auto modified = std::filesystem::last_write_time(spec.file, ignored).time_since_epoch().count();
  return fmt::format("{}|{}|{}|{}|{}", spec.kind, spec.variant, spec.file.string(),
                     file.files().front()->bytes().size(), modified);
}

nn::Weights at_root(const nn::Weights& file, std::string root) {
  if (root.empty()) return file;
  root.pop_back();  // the dot
  return file.sub(root);
}

template <typename Make>
std::shared_ptr<core::LoadedComponent> load(const core::ComponentSpec& spec, base::DeviceId device,
                                            const nn::BlockOptions& options,
                                            const checkpoint::Checkpoint& file, const Make& make) {
  using Network = decltype(make(std::declval<const nn::Weights&>()));
  std::shared_ptr<core::LoadedComponent> loaded;
  nn::run_guarded(spec.kind.c_str(), [&] {
    const nn::Weights weights(file, device, nn::WeightBlock::read(file, device, options), options.dtype);
    Network network = make(weights);
    file.check_unchanged();
    // Elsewhere nothing of the file is needed any more.
    const bool maps_file = device.kind == base::DeviceKind::kCpu;
    loaded = std::make_shared<Loaded<Network>>(std::move(network), weights.bytes(),
                                               maps_file ? std::optional(file) : std::nullopt);
  });
  return loaded;
}

}  // namespace

std::shared_ptr<core::LoadedComponent> load_component(const Description& description, std::size_t index,
                                                      base::DeviceId device, const core::LoadControl& control,
                                                      checkpoint::HostCache* images) {
  const auto& spec = description.components.at(index);
  if (control.cancelled && control.cancelled->load()) {
    throw base::Error(base::ErrorCode::kCancelled,
                      fmt::format("loading {} was cancelled", spec.file.string()));
  }
  const auto component = static_cast<Component>(index);
  const auto& config = description.config;
  const auto file = checkpoint::Checkpoint::open(spec.file);
  nn::BlockOptions options{component_weights(component, file), control.cancelled, control.progress, images,
                           image_key(spec, file)};
  options.dtype = dtype_of(component, description.precision);
  const auto make = [&](const auto& build) { return load(spec, device, options, file, build); };
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
