#include "models/index_tts/workspace.h"

#include <algorithm>

#include "checkpoint/tensor_view.h"
#include "models/index_tts/audio_workspace.h"
#include "models/index_tts/gpt_workspace.h"
#include "models/index_tts/model.h"

namespace greenroom::models::index_tts {
namespace {

constexpr std::int64_t kFixed = 4 << 20;  // small tensors, and rounding of the rest
constexpr double kMelFramesPerSecond = 22050.0 / 256;

std::int64_t element_bytes(checkpoint::DType dtype) {
  return static_cast<std::int64_t>(checkpoint::dtype_size(dtype));
}

GptSizes gpt_sizes(const Description& description) {
  return {description.widths.gpt_layers, description.widths.gpt, description.config.gpt.heads,
          description.widths.codes, element_bytes(description.precision.gpt)};
}

}  // namespace

std::uint64_t conditioning_workspace_bytes(const Description& description, std::int64_t steps) {
  ConditionerSizes sizes;
  sizes.features = description.widths.speech;
  sizes.channels = description.widths.conditioner;
  sizes.heads = description.config.gpt.condition.attention_heads;
  sizes.inner = 4 * description.widths.conditioner;
  sizes.latent_width = description.widths.gpt;
  sizes.element_bytes = element_bytes(description.precision.gpt);
  return kFixed + conditioner_workspace_bytes(sizes, steps);
}

std::uint64_t emotion_text_workspace_bytes(const Description& description, std::int64_t prompt,
                                           std::int64_t most_tokens) {
  const auto& config = description.emotion_llm_config;
  LlmSizes sizes;
  sizes.layers = description.widths.llm_layers;
  sizes.width = description.widths.llm;
  sizes.heads = config.attention_heads;
  sizes.kv_heads = config.key_value_heads;
  sizes.head_dim = config.head_dim;
  sizes.inner = 3 * description.widths.llm;
  sizes.element_bytes = element_bytes(description.precision.emotion_llm);
  return kFixed + llm_workspace_bytes(sizes, prompt, most_tokens);
}

std::uint64_t generation_stage_bytes(const Description& description, const SpeakOptions& options,
                                     std::int64_t text, std::int64_t segments, std::int64_t speaker_vectors) {
  constexpr std::int64_t kMarks = 5;  // emotion and speed are part of the sum, start and stop of the text
  GenerationSizes sizes;
  sizes.prefix = speaker_vectors + kMarks + text;
  sizes.max_codes = options.max_mel_tokens;
  sizes.beams = options.num_beams;
  sizes.segments = segments;
  const auto gpt = gpt_sizes(description);
  return kFixed + std::max(generation_workspace_bytes(gpt, sizes),
                           latents_workspace_bytes(gpt, sizes.prefix + options.max_mel_tokens + 2));
}

core::WorkspaceNeed acoustic_need(const Description& description, std::int64_t reference_frames,
                                  std::int64_t frames, bool guided) {
  return {acoustic_workspace_bytes(description.widths, description.config.acoustic.heads, reference_frames,
                                   frames, guided),
          {.audio_seconds = static_cast<double>(frames + reference_frames) / kMelFramesPerSecond,
           .beams = guided ? 2.0 : 1.0}};
}

core::WorkspaceNeed vocoder_need(const Description& description, std::int64_t frames) {
  return {vocoder_workspace_bytes(description.widths, description.vocoder_config, frames),
          {.audio_seconds = static_cast<double>(frames) / kMelFramesPerSecond}};
}

std::vector<core::StageNeed> speech_needs(const Description& description, const SpeakOptions& options,
                                          std::size_t characters) {
  constexpr std::int64_t kSpeakerVectors = 32;
  constexpr std::int64_t kCodesPerToken = 15;      // 50 a second, so 0.3 s
  constexpr std::int64_t kReferenceFrames = 1305;  // of 15 s, the most that is used
  constexpr double kFramesPerCode = 1.72;
  constexpr std::int64_t kSideBySide = 4;  // segments that are generated together
  const auto text = static_cast<std::int64_t>(std::min<std::size_t>(characters, kMostCharacters));
  const std::int64_t longest = std::max<std::int64_t>(1, options.max_text_tokens_per_segment);
  const std::int64_t segments = std::min(kSideBySide, (text + longest - 1) / longest);
  const std::int64_t segment = std::min(text, longest);
  const std::int64_t codes = std::min<std::int64_t>(options.max_mel_tokens, segment * kCodesPerToken);
  const auto frames = static_cast<std::int64_t>(static_cast<double>(codes) * kFramesPerCode);
  return {{kGenerationStage, generation_stage_bytes(description, options, segment,
                                                    std::max<std::int64_t>(1, segments), kSpeakerVectors)},
          {kAcousticStage, acoustic_need(description, kReferenceFrames, frames, options.cfg_rate > 0)},
          {kVocoderStage, vocoder_need(description, frames)}};
}

}  // namespace greenroom::models::index_tts
