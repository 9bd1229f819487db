#include "models/index_tts/model.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "models/index_tts/conditioners.h"
#include "models/index_tts/emotion_matrix.h"
#include "models/index_tts/loader.h"
#include "models/index_tts/pipeline.h"
#include "models/index_tts/plan.h"
#include "models/index_tts/reference_audio.h"
#include "models/index_tts/silence.h"
#include "models/index_tts/speech_encoder.h"
#include "models/index_tts/text/byte_bpe.h"
#include "models/index_tts/voice_features.h"
#include "nn/guard.h"
#include "nn/noise.h"

namespace greenroom::models::index_tts {
namespace {

// Shares of the progress bar.
constexpr double kReferenceShare = 0.1;
constexpr double kGenerationShare = 0.6;  // of a segment
constexpr double kFlowShare = 0.3;

// Segments whose codes are generated side by side when nobody waits for the first one.
constexpr std::size_t kSideBySide = 4;

SpeechScale read_scale(const Description& description) {
  std::optional<SpeechScale> scale;
  nn::run_guarded("speech statistics", base::DeviceId{}, [&] {
    scale.emplace(nn::Weights(checkpoint::Checkpoint::open(description.speech_statistics), base::DeviceId{}));
  });
  return *scale;
}

class Model final : public SynthesisModel {
 public:
  Model(Description description, std::filesystem::path cache)
      : description_(std::move(description)),
        tokenizer_(description_.bpe_model),
        normalizer_(description_.glossary.empty() ? std::vector<GlossaryEntry>{}
                                                  : read_glossary(description_.glossary)),
        scale_(read_scale(description_)),
        emotions_(description_),
        cache_(std::move(cache), description_) {
    if (description_.has_emotion_llm()) llm_tokenizer_.emplace(description_.emotion_llm_folder);
  }

  std::string type() const override { return "index_tts"; }
  const std::vector<core::ComponentSpec>& components() const override { return description_.components; }
  const std::vector<core::Stage>& stages() const override { return description_.stages; }
  std::vector<std::size_t> resident_stages() const override {
    return {kResidentStages.begin(), kResidentStages.end()};
  }

  std::shared_ptr<core::LoadedComponent> load_component(std::size_t index, base::DeviceId device,
                                                        const core::LoadControl& control) const override {
    return index_tts::load_component(description_, index, device, control);
  }

  SpeakResult speak(core::StageAccess& access, base::DeviceId device, const SpeakRequest& request,
                    const SpeakOptions& wanted, const SpeakControl& control) const override;

 private:
  VoiceFeatures voice_features(Synthesis& synthesis, const audio::Buffer& recording, bool& known) const;
  torch::Tensor audio_emotion(Synthesis& synthesis, const audio::Buffer& recording) const;
  torch::Tensor emotion_of(Synthesis& synthesis, const SpeakRequest& request, const SpeakOptions& options,
                           const VoiceFeatures& voice) const;

  Description description_;
  Tokenizer tokenizer_;
  TextNormalizer normalizer_;
  SpeechScale scale_;
  EmotionMatrix emotions_;
  std::optional<ByteBpe> llm_tokenizer_;
  FeatureCache cache_;
};

VoiceFeatures Model::voice_features(Synthesis& synthesis, const audio::Buffer& recording, bool& known) const {
  const std::string key = cache_.voice_key(recording);
  if (auto found = cache_.find_voice(key)) {
    known = true;
    return std::move(*found);
  }
  auto features = synthesis.encode_voice(recording, scale_);
  cache_.keep(key, features);
  return features;
}

torch::Tensor Model::audio_emotion(Synthesis& synthesis, const audio::Buffer& recording) const {
  const std::string key = cache_.emotion_key(recording);
  if (auto found = cache_.find_emotion(key)) return std::move(*found);
  auto emotion = synthesis.encode_emotion(recording, scale_);
  cache_.keep(key, emotion);
  return emotion;
}

// infer_v2.py, steps 0, 2, 5b and 5c: [1, width]
torch::Tensor Model::emotion_of(Synthesis& synthesis, const SpeakRequest& request,
                                const SpeakOptions& options, const VoiceFeatures& voice) const {
  const bool from_audio = request.emotion_audio.has_value();
  // Without audio of its own the voice's recording is taken, by another way of resampling than for the voice.
  const auto audio = audio_emotion(synthesis, from_audio ? *request.emotion_audio : request.voice);
  auto emotion = merge_emotion(voice.base_emotion, audio, from_audio ? options.emotion_weight : 1.0);
  if (request.emotion_vector.empty() && !request.use_emotion_text) return emotion;
  EmotionVector vector{};
  if (request.use_emotion_text) {
    const std::string& text = request.emotion_text.empty() ? request.text : request.emotion_text;
    vector = parse_emotion_answer(synthesis.ask_emotion(*llm_tokenizer_, text), text);
  } else {
    vector = check_emotion_vector(request.emotion_vector);
    if (options.emotion_bias) vector = normalize_emotion(vector, true);
  }
  vector = scale_emotion(vector, options.emotion_weight);
  const auto rows = options.use_random ? emotions_.random(options.seed) : emotions_.most_similar(voice.style);
  float sum = 0;
  for (const double weight : vector) sum += static_cast<float>(weight);
  return emotions_.mix(rows, vector) + (1 - sum) * emotion;
}

// Appends a segment and tells whoever listens.
void hand_out(SpeakResult& result, SegmentResult& segment, std::size_t index, std::size_t count,
              int sample_rate, int silence_ms, const SpeakControl& control) {
  audio::Buffer part;
  part.sample_rate = sample_rate;
  if (segment.audio.defined()) {
    const auto samples = segment.audio.flatten().contiguous();
    const auto* data = samples.data_ptr<float>();
    part.samples.assign(data, data + samples.numel());
  }
  if (index + 1 < count) {
    part.samples.resize(part.samples.size() +
                        static_cast<std::size_t>(silence_samples(silence_ms, sample_rate)));
  }
  result.audio.samples.insert(result.audio.samples.end(), part.samples.begin(), part.samples.end());
  result.speech_tokens += segment.codes.size();
  segment = {};
  if (control.on_segment) control.on_segment({index, count, part});
}

SpeakResult Model::speak(core::StageAccess& access, base::DeviceId device, const SpeakRequest& request,
                         const SpeakOptions& wanted, const SpeakControl& control) const {
  auto options = wanted;
  if (options.degradation >= kDegradations) options.num_beams = 1;
  check_request(request, options, description_);
  auto plan = plan_text(request.text, options, description_, tokenizer_, normalizer_);
  SpeakResult result;
  result.notices = std::move(plan.notices);
  if (request.voice.seconds() > kReferenceSeconds) {
    result.notices.push_back(
        fmt::format("the recording of the voice has {:.0f} s; only its first {:.0f} s are used",
                    request.voice.seconds(), kReferenceSeconds));
  }
  result.segments = plan.segments.size();
  result.audio.sample_rate = description_.vocoder_config.sampling_rate;
  Synthesis synthesis(description_, access, device, options, control);
  nn::SeededNoise noise(options.seed);
  Draws draws{noise,
              [&](std::size_t segment) { return std::make_shared<SeededPicker>(options.seed, segment); }};

  synthesis.set_progress(0, kReferenceShare);
  VoiceFeatures voice;
  torch::Tensor emotion;
  nn::run_guarded("reference", device, [&] {
    voice = voice_features(synthesis, request.voice, result.voice_was_known);
    emotion = emotion_of(synthesis, request, options, voice);
  });

  const std::size_t count = plan.segments.size();
  const std::size_t group = control.on_segment || options.degradation > 0 ? 1 : kSideBySide;
  const auto share = [&](double segments) {
    return kReferenceShare + (1 - kReferenceShare) * segments / static_cast<double>(count);
  };
  std::size_t limited = 0;
  for (std::size_t first = 0; first < count; first += group) {
    std::vector<SegmentResult> segments(std::min(group, count - first));
    std::vector<SegmentResult*> pointers;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      segments[i].text = std::move(plan.segments[first + i]);
      result.text_tokens += segments[i].text.size();
      pointers.push_back(&segments[i]);
    }
    const auto begin = static_cast<double>(first);
    const auto many = static_cast<double>(segments.size());
    synthesis.set_progress(share(begin), share(begin + kGenerationShare * many));
    synthesis.generate(pointers, first, voice, emotion, draws);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      auto& segment = segments[i];
      if (!segment.stopped) ++limited;
      if (segment.codes.empty()) continue;
      const double at = begin + kGenerationShare * many + (1 - kGenerationShare) * static_cast<double>(i);
      synthesis.set_progress(share(at), share(at + kFlowShare));
      synthesis.make_mel(segment, voice, draws);
    }
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (segments[i].mel.defined()) synthesis.make_audio(segments[i]);
      hand_out(result, segments[i], first + i, count, result.audio.sample_rate, options.interval_silence_ms,
               control);
    }
  }
  if (limited > 0) {
    result.notices.push_back(
        fmt::format("{} of {} segments were cut off at {} speech tokens: raise max_mel_tokens, or lower "
                    "max_text_tokens_per_segment",
                    limited, count, options.max_mel_tokens));
  }
  if (result.speech_tokens == 0) {
    throw base::Error(base::ErrorCode::kInternal, "the model ended every segment before it said anything");
  }
  if (control.progress) control.progress(1);
  result.stage_times = synthesis.clock().times();
  result.peak_workspace_bytes = synthesis.peak_workspace_bytes();
  nn::WorkspaceMeter::trim();
  return result;
}

}  // namespace

std::shared_ptr<const SynthesisModel> make_model(Description description, std::filesystem::path cache) {
  return std::make_shared<Model>(std::move(description), std::move(cache));
}

}  // namespace greenroom::models::index_tts
