#include "models/index_tts/audio_workspace.h"

#include <algorithm>

#include "models/index_tts/reference_audio.h"

namespace greenroom::models::index_tts {
namespace {

constexpr std::int64_t kFloat = sizeof(float);
constexpr std::int64_t kFixed = 8 << 20;  // small tensors, and rounding of the rest
constexpr double kMargin = 1.15;
constexpr std::int64_t kMels = kReferenceMels;
constexpr std::int64_t kCodecInner = 2048;    // of the codec's feed-forward layers
constexpr std::int64_t kCodes = 8192;         // of its book
constexpr std::int64_t kSpeakerPlanes = 32;   // of the speaker encoder's two-dimensional head
constexpr std::int64_t kVocoderContext = 48;  // frames on each side that pieces overlap by at most

std::uint64_t with_margin(std::int64_t floats) {
  return static_cast<std::uint64_t>(
      kFixed + static_cast<std::int64_t>(static_cast<double>(floats * kFloat) * kMargin));
}

std::int64_t speech_steps(double seconds) {
  return static_cast<std::int64_t>(std::min(seconds, kReferenceSeconds) * 50) + 1;
}

}  // namespace

std::uint64_t speech_workspace_bytes(const Widths& widths, double reference_seconds) {
  const std::int64_t steps = speech_steps(reference_seconds);
  const std::int64_t feed = 2 * widths.speech + widths.speech_inner;
  const std::int64_t attention = 8 * widths.speech;
  // Scores of 128 queries, what the distances add, and the softmax; the index of distances is int64.
  const std::int64_t heads = std::max<std::int64_t>(1, widths.speech / 64);
  const std::int64_t scores = 3 * heads * std::min<std::int64_t>(steps, 128) + 2 * heads * 73;
  return with_margin(steps * (2 * widths.speech + std::max(feed, attention) + scores) + 2 * steps * steps);
}

std::uint64_t voice_workspace_bytes(const Widths& widths, double reference_seconds) {
  const std::int64_t steps = speech_steps(reference_seconds);
  const std::int64_t frames = 2 * steps;
  const std::int64_t mel_frames = steps * 7 / 4 + 2;
  const std::int64_t backbone = steps * (4 * widths.speech + 2 * kCodecInner);
  const std::int64_t nearest = 3 * steps * kCodes;  // distances to every code
  const std::int64_t speaker = 4 * kSpeakerPlanes * kMels * frames;
  const std::int64_t stretch = 6 * mel_frames * widths.flow;
  return with_margin(std::max({backbone, nearest, speaker, stretch}) + 2 * steps * widths.speech);
}

std::uint64_t acoustic_workspace_bytes(const Widths& widths, int heads, std::int64_t reference_frames,
                                       std::int64_t new_frames, bool guided) {
  const std::int64_t frames = reference_frames + new_frames;
  const std::int64_t batch = guided ? 2 : 1;
  const std::int64_t rows = batch * frames;
  // Conditions, the state of the transformer, half its depth of kept states, and the joined one.
  const std::int64_t kept = rows * widths.flow * 10 + frames * (widths.flow + 4 * kMels);
  const std::int64_t all_scores = batch * heads * frames * frames;
  const std::int64_t scores = 2 * std::min(kFlowScoreBytes / kFloat, all_scores);
  const std::int64_t attention = rows * widths.flow * 9 + scores;
  const std::int64_t feed = rows * (2 * widths.flow_inner + 2 * widths.flow);
  const std::int64_t wavenet = rows * widths.flow * 8;
  return with_margin(kept + std::max({attention, feed, wavenet}));
}

std::uint64_t vocoder_workspace_bytes(const Widths& widths, const VocoderConfig& config,
                                      std::int64_t frames) {
  std::int64_t channels = widths.vocoder;
  std::int64_t samples = 1;
  std::int64_t widest = widths.vocoder;
  for (const int rate : config.upsample_rates) {
    channels = std::max<std::int64_t>(1, channels / 2);
    samples *= rate;
    widest = std::max(widest, channels * samples);
  }
  // A stage's input and output, the sum of its blocks, and three tensors within one. Libtorch's convolutions
  // on the CPU rearrange their weights at every call: the largest are the first stage's.
  const std::int64_t at_once =
      frames <= kVocoderPieceFrames ? frames : kVocoderPieceFrames + 2 * kVocoderContext;
  const std::int64_t kernel =
      *std::max_element(config.resblock_kernel_sizes.begin(), config.resblock_kernel_sizes.end());
  const std::int64_t rearranged = widths.vocoder / 2 * (widths.vocoder / 2) * kernel;
  return with_margin(6 * widest * at_once + 3 * frames * samples + rearranged);
}

}  // namespace greenroom::models::index_tts
