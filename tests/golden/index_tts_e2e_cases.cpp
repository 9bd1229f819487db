// How whole runs of a tiny IndexTTS-2 are compared with those of the official program. The names of arrays
// are those of the reference files.
#include <fmt/format.h>
#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "case.h"
#include "models/index_tts/conditioners.h"
#include "models/index_tts/emotion_matrix.h"
#include "models/index_tts/loader.h"
#include "models/index_tts/pipeline.h"
#include "models/index_tts/plan.h"
#include "models/index_tts/silence.h"

namespace greenroom::golden {
namespace {

using namespace models::index_tts;  // NOLINT(google-build-using-namespace): the cases speak of nothing else

// Largest difference of audio as a share of full scale.
constexpr double kAudioLimit = 2e-3;
constexpr int kEmotionRate = 16000;

// Loads what a stage needs and keeps it.
class DirectAccess final : public core::StageAccess {
 public:
  explicit DirectAccess(const Description& description) : description_(description) {}

  std::unique_ptr<core::PinnedStage> pin(std::size_t stage, const core::WorkspaceNeed&) override {
    for (const std::size_t index : description_.stages.at(stage).components) {
      auto& component = components_[index];
      if (!component) component = load_component(description_, index, device(), {});
    }
    return std::make_unique<Stage>(components_);
  }

  const std::map<std::size_t, std::shared_ptr<core::LoadedComponent>>& components() const {
    return components_;
  }

 private:
  using Components = std::map<std::size_t, std::shared_ptr<core::LoadedComponent>>;
  class Stage final : public core::PinnedStage {
   public:
    explicit Stage(Components& components) : components_(components) {}
    core::LoadedComponent& component(std::size_t index) override { return *components_.at(index); }

   private:
    Components& components_;
  };

  const Description& description_;
  Components components_;
};

// The indexes that the official program drew, step by step: [steps, 1, picks].
class RecordedPicks final : public CodePicker {
 public:
  explicit RecordedPicks(torch::Tensor picks) : picks_(picks.squeeze(1).contiguous()) {}

  std::vector<std::int64_t> pick(std::span<const Candidate>, int count) override {
    const auto row = picks_[step_++];
    const auto* data = row.data_ptr<std::int64_t>();
    return {data, data + count};
  }

 private:
  torch::Tensor picks_;
  std::int64_t step_ = 0;
};

std::u32string as_it_is(std::u32string_view text) {
  return std::u32string(text);
}

std::vector<std::int64_t> to_vector(const torch::Tensor& tensor) {
  const auto flat = tensor.to(torch::kInt64).flatten().contiguous();
  return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
}

// One model folder and what the runs have in common.
struct Setting {
  Description description;
  DirectAccess access;
  SpeechScale scale;
  EmotionMatrix emotions;
  Tokenizer tokenizer;
  TextNormalizer normalizer;
  Arrays reference;

  explicit Setting(const std::filesystem::path& folder)
      : description(describe(folder / "model")),
        access(description),
        scale(nn::Weights(checkpoint::Checkpoint::open(description.speech_statistics), base::DeviceId{})),
        emotions(description),
        tokenizer(description.bpe_model),
        normalizer({}, as_it_is, as_it_is),
        reference(folder / "reference.safetensors") {}
};

models::SpeakOptions options_of(const base::Json& run, const base::Json& meta) {
  const auto& kwargs = run.at("kwargs");
  models::SpeakOptions options;
  options.num_beams = kwargs.value("num_beams", options.num_beams);
  options.max_mel_tokens = meta.at("max_mel_tokens").get<int>();
  options.max_text_tokens_per_segment =
      kwargs.value("max_text_tokens_per_segment", options.max_text_tokens_per_segment);
  options.interval_silence_ms = kwargs.value("interval_silence", options.interval_silence_ms);
  options.emotion_weight = kwargs.value("emo_alpha", 1.0);
  options.do_sample = run.at("force_do_sample").is_null();
  return options;
}

// infer_v2.py, steps 5b and 5c.
torch::Tensor emotion_of(Setting& setting, Synthesis& synthesis, const base::Json& kwargs, double weight,
                         const VoiceFeatures& voice) {
  const bool from_audio = kwargs.contains("emo_audio_prompt");
  const audio::Buffer recording{
      setting.reference.floats(from_audio ? "emo_audio_16k" : "spk_audio_16k_for_emotion"), kEmotionRate};
  auto emotion = merge_emotion(voice.base_emotion, synthesis.encode_emotion(recording, setting.scale),
                               from_audio ? weight : 1.0);
  if (!kwargs.contains("emo_vector")) return emotion;
  const auto vector =
      scale_emotion(check_emotion_vector(kwargs.at("emo_vector").get<std::vector<double>>()), weight);
  float sum = 0;
  for (const double value : vector) sum += static_cast<float>(value);
  return setting.emotions.mix(setting.emotions.most_similar(voice.style), vector) + (1 - sum) * emotion;
}

void run_one(Case& golden, Setting& setting, const std::string& name, const base::Json& run,
             const VoiceFeatures& voice) {
  const Arrays arrays(golden.folder() / fmt::format("run_{}.safetensors", name));
  const auto options = options_of(run, golden.meta());
  const models::RunControl control;
  Synthesis synthesis(setting.description, setting.access, device(), options, control);
  const auto plan = plan_text(run.at("kwargs").at("text").get<std::string>(), options, setting.description,
                              setting.tokenizer, setting.normalizer);
  const auto emotion = emotion_of(setting, synthesis, run.at("kwargs"), options.emotion_weight, voice);
  std::vector<torch::Tensor> audio;
  for (std::size_t i = 0; i < plan.segments.size(); ++i) {
    const auto stem = fmt::format("seg{}_", i);
    const auto label = [&](const char* what) { return fmt::format("{} {}{}", name, stem, what); };
    RecordedNoise noise;
    Draws draws{noise, [&](std::size_t) {
                  return std::make_shared<RecordedPicks>(arrays.tensor("multinomial_picks"));
                }};
    SegmentResult segment;
    segment.text = plan.segments[i];
    golden.check_equal(label("ids"), segment.text, arrays.integers(stem + "ids"));
    synthesis.generate({&segment}, i, voice, emotion, draws);
    golden.compare(label("emovec"), emotion, arrays.tensor(stem + "emovec"), kNetworkLimit);
    golden.check_equal(label("codes"), segment.codes, to_vector(arrays.tensor(stem + "codes")));
    golden.compare(label("latent"), segment.latents, arrays.tensor(stem + "latent"), kNetworkLimit);
    noise.add("flow", arrays.tensor(stem + "noise"));
    synthesis.make_mel(segment, voice, draws);
    const auto mel = arrays.tensor(stem + "mel");
    const bool with_reference = mel.size(2) > segment.mel.size(2);
    golden.compare(label("mel"), segment.mel,
                   with_reference ? mel.slice(2, mel.size(2) - segment.mel.size(2)) : mel, kNetworkLimit);
    synthesis.make_audio(segment);
    audio.push_back(segment.audio.flatten());
    if (i + 1 < plan.segments.size()) {
      audio.push_back(torch::zeros({silence_samples(options.interval_silence_ms, 22050)}));
    }
  }
  // The differences count against full scale, which the appended 1 makes the largest value.
  const auto one = torch::ones({1});
  constexpr double kFullScale = 32767;
  const auto theirs = arrays.tensor("wav_int16").flatten().to(torch::kFloat32) / kFullScale;
  golden.compare(name + " audio", torch::cat({torch::cat(audio), one}), torch::cat({theirs, one}),
                 kAudioLimit);
}

void run_e2e(Case& golden) {
  Setting setting(golden.folder());
  const models::SpeakOptions options;
  const models::RunControl control;
  Synthesis synthesis(setting.description, setting.access, device(), options, control);
  const audio::Buffer recording{setting.reference.floats("spk_audio_22k"), 22050};
  const auto voice = synthesis.encode_voice(recording, setting.scale);
  golden.compare("style", voice.style, setting.reference.tensor("style"), kNetworkLimit);
  golden.compare("prompt_condition", voice.condition, setting.reference.tensor("prompt_condition"),
                 kNetworkLimit);
  golden.compare("ref_mel", voice.mel, setting.reference.tensor("ref_mel"), kNetworkLimit);
  golden.check_equal("emo_idx", setting.emotions.most_similar(voice.style),
                     setting.reference.integers("emo_idx"));
  for (const auto& [name, run] : golden.meta().at("runs").items()) run_one(golden, setting, name, run, voice);
  for (const auto& [index, component] : setting.access.components()) {
    const auto& spec = setting.description.components[index];
    golden.check_equal("bytes of " + spec.kind, component->bytes() == spec.bytes);
  }
}

// What runs a case whose name begins so.
const Kinds& kinds() {
  static const Kinds kKinds = {{"e2e_v2", run_e2e}};
  return kKinds;
}

}  // namespace

bool run_index_tts_e2e_case(Case& golden) {
  return run_by_name(golden, kinds());
}

}  // namespace greenroom::golden
