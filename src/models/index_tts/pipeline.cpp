#include "models/index_tts/pipeline.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "models/index_tts/audio_workspace.h"
#include "models/index_tts/bigvgan.h"
#include "models/index_tts/conditioners.h"
#include "models/index_tts/emotion_llm.h"
#include "models/index_tts/flow.h"
#include "models/index_tts/generate.h"
#include "models/index_tts/gpt.h"
#include "models/index_tts/llm_generation.h"
#include "models/index_tts/loader.h"
#include "models/index_tts/reference_audio.h"
#include "models/index_tts/regulator.h"
#include "models/index_tts/semantic_codec.h"
#include "models/index_tts/speaker_encoder.h"
#include "models/index_tts/text/emotion.h"
#include "models/index_tts/workspace.h"
#include "models/workspace_report.h"
#include "nn/device_stream.h"
#include "nn/guard.h"
#include "nn/weight_block.h"

namespace greenroom::models::index_tts {
namespace {

constexpr double kStepsPerSecond = 50;  // of the speech features

torch::Tensor to_tensor(const std::vector<float>& values, torch::IntArrayRef shape, torch::Device device) {
  return torch::tensor(values, torch::kFloat32).view(shape).to(device);
}

torch::Tensor on_cpu(const torch::Tensor& tensor) {
  return tensor.to(torch::kCPU, torch::kFloat32).contiguous();
}

torch::Tensor to_ids(const std::vector<std::int64_t>& ids, torch::Device device) {
  return torch::tensor(ids, torch::kInt64).unsqueeze(0).to(device);
}

GenerationOptions generation_options(const SpeakOptions& options) {
  GenerationOptions generation;
  generation.do_sample = options.do_sample;
  generation.num_beams = options.num_beams;
  generation.temperature = options.temperature;
  generation.top_k = options.top_k;
  generation.top_p = options.top_p;
  generation.repetition_penalty = options.repetition_penalty;
  generation.length_penalty = options.length_penalty;
  generation.typical_sampling = options.typical_sampling;
  generation.typical_mass = options.typical_mass;
  generation.max_mel_tokens = options.max_mel_tokens;
  return generation;
}

}  // namespace

void StageClock::add(const std::string& stage, double seconds) {
  for (auto& entry : times_) {
    if (entry.stage != stage) continue;
    entry.seconds += seconds;
    return;
  }
  times_.push_back({stage, seconds});
}

Synthesis::Synthesis(const Description& description, core::StageAccess& access, base::DeviceId device,
                     const SpeakOptions& options, const RunControl& control)
    : description_(description),
      access_(access),
      device_id_(device),
      device_(nn::to_torch(device)),
      options_(options),
      control_(control) {}

void Synthesis::set_progress(double from, double to) {
  progress_from_ = from;
  progress_to_ = to;
}

// Also where a run learns that it is no longer wanted.
void Synthesis::tell(double fraction) const {
  if (control_.cancelled && control_.cancelled->load()) {
    throw base::Error(base::ErrorCode::kCancelled, "speaking was cancelled");
  }
  if (control_.progress) {
    control_.progress(progress_from_ + (progress_to_ - progress_from_) * std::clamp(fraction, 0.0, 1.0));
  }
}

void Synthesis::run_stage(StageIndex stage, const char* name, const core::WorkspaceNeed& need,
                          const std::function<void(core::PinnedStage&)>& body) {
  tell(0);
  const auto started = std::chrono::steady_clock::now();
  nn::run_guarded(name, device_id_, [&] {
    const auto pinned = access_.pin(stage, need);
    const nn::DeviceStream stream(device_id_);  // ends before the weights may be freed
    const nn::WorkspaceMeasurement workspace(device_id_);
    body(*pinned);
    peak_workspace_ = std::max(peak_workspace_, tell_workspace(name, need, workspace, *pinned));
  });
  clock_.add(name, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
}

torch::Tensor Synthesis::encode_speech(core::PinnedStage& stage, const audio::SteppedFeatures& features,
                                       const SpeechScale& scale) const {
  const std::int64_t steps = features.steps();
  const auto values = to_tensor(
      features.values, {1, steps, static_cast<std::int64_t>(features.values.size()) / steps}, device_);
  const auto mask =
      torch::tensor(std::vector<std::int64_t>(features.mask.begin(), features.mask.end()), torch::kInt64)
          .unsqueeze(0)
          .to(device_);
  const auto& encoder = network_of<SpeechEncoder>(stage, kSpeechEncoder);
  return scale(on_cpu(encoder(values, mask)));
}

VoiceFeatures Synthesis::encode_voice(const audio::Buffer& recording, const SpeechScale& scale) {
  const SpeakerAudio audio = prepare_speaker(recording);
  VoiceFeatures voice;
  torch::Tensor features;
  const core::RunFeatures reference{.reference_seconds = audio.seconds};
  run_stage(kSpeechStage, "reference",
            {speech_workspace_bytes(description_.widths, audio.seconds), reference},
            [&](core::PinnedStage& stage) { features = encode_speech(stage, audio.speech, scale); });
  voice.mel = torch::tensor(audio.mel, torch::kFloat32).view({1, kReferenceMels, audio.mel_frames});
  run_stage(
      kVoiceStage, "reference", {voice_workspace_bytes(description_.widths, audio.seconds), reference},
      [&](core::PinnedStage& stage) {
        const auto& codebook = network_of<SemanticCodebook>(stage, kCodebook);
        const auto projected = network_of<SemanticEncoder>(stage, kSemanticEncoder)(features.to(device_));
        const auto content = codebook(codebook.nearest(projected));
        voice.condition = on_cpu(network_of<Regulator>(stage, kRegulator).stretch(content, audio.mel_frames));
        const auto fbank = to_tensor(audio.fbank, {1, audio.fbank_frames, kReferenceMels}, device_);
        voice.style = on_cpu(network_of<SpeakerEncoder>(stage, kSpeakerEncoder)(fbank));
      });
  const core::WorkspaceNeed need(conditioning_workspace_bytes(description_, features.size(1)), reference);
  run_stage(kSpeakerConditionerStage, "reference", need, [&](core::PinnedStage& stage) {
    voice.speaker = on_cpu(network_of<SpeakerConditioner>(stage, kSpeakerConditioner)(features.to(device_)));
  });
  run_stage(kEmotionConditionerStage, "reference", need, [&](core::PinnedStage& stage) {
    voice.base_emotion =
        on_cpu(network_of<EmotionConditioner>(stage, kEmotionConditioner)(features.to(device_)));
  });
  return voice;
}

torch::Tensor Synthesis::encode_emotion(const audio::Buffer& recording, const SpeechScale& scale) {
  const auto speech = prepare_emotion(recording);
  torch::Tensor features;
  torch::Tensor emotion;
  const double seconds = static_cast<double>(speech.steps()) / kStepsPerSecond;
  const core::RunFeatures reference{.reference_seconds = seconds};
  run_stage(kSpeechStage, "reference", {speech_workspace_bytes(description_.widths, seconds), reference},
            [&](core::PinnedStage& stage) { features = encode_speech(stage, speech, scale); });
  run_stage(kEmotionConditionerStage, "reference",
            {conditioning_workspace_bytes(description_, features.size(1)), reference},
            [&](core::PinnedStage& stage) {
              emotion =
                  on_cpu(network_of<EmotionConditioner>(stage, kEmotionConditioner)(features.to(device_)));
            });
  return emotion;
}

std::string Synthesis::ask_emotion(const ByteBpe& tokenizer, const std::string& text) {
  constexpr std::int64_t kMostTokens = 512;  // an answer has some sixty
  const auto prompt = tokenizer.encode(emotion_prompt(text));
  LlmRequest request;
  request.prompt = prompt;
  request.max_new_tokens = kMostTokens;
  request.generation = read_llm_generation(description_.emotion_llm_folder);
  request.generation.do_sample = false;  // the likeliest answer: the same text always sounds the same
  request.cancelled = control_.cancelled.get();
  std::vector<std::int64_t> answer;
  run_stage(
      kEmotionLlmStage, "emotion_text",
      {emotion_text_workspace_bytes(description_, static_cast<std::int64_t>(prompt.size()), kMostTokens),
       {.text_tokens = static_cast<double>(prompt.size())}},
      [&](core::PinnedStage& stage) {
        answer = network_of<EmotionLlm>(stage, kEmotionLlm).generate(request);
      });
  // What comes after a thought, should there be one.
  if (const auto thought = tokenizer.special("</think>")) {
    const auto end = std::find(answer.rbegin(), answer.rend(), *thought).base();
    if (end != answer.begin()) answer.erase(answer.begin(), end);
  }
  return tokenizer.decode(answer);
}

void Synthesis::generate(std::vector<SegmentResult*> segments, std::size_t first_index,
                         const VoiceFeatures& voice, const torch::Tensor& emotion, Draws& draws) {
  std::size_t longest = 0;
  for (const auto* segment : segments) longest = std::max(longest, segment->text.size());
  // Nothing is learnt of it: how long the speech gets is not known beforehand, so room for the longest is
  // taken.
  const core::WorkspaceNeed need =
      generation_stage_bytes(description_, options_, static_cast<std::int64_t>(longest),
                             static_cast<std::int64_t>(segments.size()), voice.speaker.size(1));
  run_stage(kGenerationStage, "generation", need, [&](core::PinnedStage& stage) {
    const auto& gpt = network_of<Gpt>(stage, kGpt);
    const auto speaker = voice.speaker.to(device_);
    const auto feeling = emotion.to(device_);
    std::vector<GenerationSegment> inputs;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      inputs.push_back({gpt.prefix(speaker, feeling, segments[i]->text),
                        options_.do_sample ? draws.make_picker(first_index + i) : nullptr});
    }
    GenerationControl control;
    control.cancelled = control_.cancelled.get();
    control.progress = [&](std::int64_t codes, std::int64_t limit) {
      tell(static_cast<double>(codes) / static_cast<double>(limit));
    };
    auto generated = index_tts::generate(gpt, std::move(inputs), generation_options(options_), control);
    const auto latents_started = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < segments.size(); ++i) {
      auto& segment = *segments[i];
      segment.codes = std::move(generated[i].codes);
      // The start code may be drawn too, though hardly ever by a trained model; it stands for no sound.
      std::erase(segment.codes, description_.config.gpt.start_mel_token);
      segment.stopped = generated[i].stopped;
      if (segment.codes.empty()) continue;
      segment.latents = on_cpu(gpt.latents(speaker, feeling, segment.text, segment.codes));
    }
    network_of<Gpt>(stage, kGpt);  // throws when its file changed under it
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - latents_started;
    clock_.add("generation", -elapsed.count());
    clock_.add("latents", elapsed.count());
  });
}

void Synthesis::make_mel(SegmentResult& segment, const VoiceFeatures& voice, Draws& draws) {
  const auto codes = static_cast<std::int64_t>(segment.codes.size());
  const std::int64_t frames = target_frames(codes);
  const bool guided = options_.cfg_rate > 0;
  const core::WorkspaceNeed need = acoustic_need(description_, voice.mel.size(2), frames, guided);
  run_stage(kAcousticStage, "flow", need, [&](core::PinnedStage& stage) {
    const auto& regulator = network_of<Regulator>(stage, kRegulator);
    const auto content = network_of<SemanticCodebook>(stage, kCodebook)(to_ids(segment.codes, device_)) +
                         regulator.project_latent(segment.latents.to(device_));
    const auto stretched = regulator.stretch(content, frames);
    const FlowCondition condition{torch::cat({voice.condition.to(device_), stretched}, 1),
                                  voice.mel.to(device_).transpose(1, 2).contiguous(),
                                  voice.style.to(device_)};
    FlowOptions flow;
    flow.steps = options_.diffusion_steps;
    flow.guidance = options_.cfg_rate;
    const auto mel =
        integrate_flow(network_of<FlowEstimator>(stage, kFlow), condition, flow, draws.noise,
                       [&](int done) { tell(static_cast<double>(done) / options_.diffusion_steps); });
    segment.mel = on_cpu(mel);
    network_of<FlowEstimator>(stage, kFlow);
  });
}

void Synthesis::make_audio(SegmentResult& segment) {
  run_stage(kVocoderStage, "vocoder", vocoder_need(description_, segment.mel.size(2)),
            [&](core::PinnedStage& stage) {
              const auto& vocoder = network_of<Vocoder>(stage, kVocoder);
              const auto audio =
                  vocoder.synthesize(segment.mel.to(device_), [&](double share) { tell(share); });
              segment.audio = on_cpu(audio);
              network_of<Vocoder>(stage, kVocoder);
            });
}

}  // namespace greenroom::models::index_tts
