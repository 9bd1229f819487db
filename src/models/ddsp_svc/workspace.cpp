#include "models/ddsp_svc/workspace.h"

#include <algorithm>
#include <cmath>

namespace greenroom::models::ddsp_svc {
namespace {

constexpr std::int64_t kFloat = sizeof(float);
constexpr std::int64_t kFixed = 8 << 20;  // small tensors, and rounding of the rest
constexpr double kMargin = 1.15;

std::uint64_t with_margin(std::int64_t bytes) {
  return static_cast<std::uint64_t>(kFixed + static_cast<std::int64_t>(static_cast<double>(bytes) * kMargin));
}

// The first convolution's output (3200 frames a second), its normalised copy and that one's GELU; then per
// unit frame the widest transformer step.
std::int64_t encoder_bytes_at_once(const Description& description, double seconds) {
  const auto& widths = description.widths;
  const auto units = static_cast<std::int64_t>(seconds * 50) + 1;
  const std::int64_t piece = std::min(units, kEncoderPieceFrames + 2);
  const std::int64_t first_layer = piece * 64 * widths.encoder_conv * kFloat * 3;
  const std::int64_t heads = std::max<std::int64_t>(1, widths.encoder / 64);
  const std::int64_t scores = std::min(kAttentionScoreBytes, heads * units * units * kFloat) * 3;
  const std::int64_t transformer = units * (6 * widths.encoder + 2 * widths.encoder_inner) * kFloat + scores;
  const std::int64_t audio = static_cast<std::int64_t>(seconds * 16000) * kFloat * 3;
  return std::max(first_layer, transformer) + audio +
         units * (widths.encoder_conv + 2 * widths.encoder) * kFloat;
}

std::int64_t control_bytes_per_frame(const Description& description) {
  const std::int64_t bins = description.config.win_length / 2 + 1;
  const std::int64_t hop = description.config.block_size;
  const std::int64_t spectra = 5 * bins * 2 * kFloat;  // complex
  const std::int64_t controls = 6 * bins * kFloat;
  return spectra + controls + 8 * hop * kFloat +
         4 * std::max<std::int64_t>(512, description.widths.control) * kFloat;
}

// The widest stage of the generator per frame: block input, sum, and three tensors of a residual block.
std::int64_t vocoder_bytes_per_frame(const Description& description) {
  const auto& config = description.vocoder_config;
  std::int64_t channels = description.widths.vocoder;
  std::int64_t samples = 1;
  std::int64_t widest = 0;
  for (const int rate : config.upsample_rates) {
    channels = std::max<std::int64_t>(1, channels / 2);
    samples *= rate;
    widest = std::max(widest, channels * samples);
  }
  return 6 * widest * kFloat;
}

}  // namespace

std::uint64_t pitch_workspace_bytes(const Description& description, double seconds) {
  // The U-Net's last level: 128 mels x 100 frames a second, where the skip, the upsampled and the joined
  // tensor meet. Of the whole recording: audio, and what the U-Net says of three channels.
  const auto frames = static_cast<std::int64_t>(seconds * 100) + 32;
  const std::int64_t audio = static_cast<std::int64_t>(seconds * 16000) * kFloat * 4;
  const std::int64_t at_once = std::min(frames, kPitchPieceFrames);
  const std::int64_t spectrum = at_once * 513 * 12 * kFloat;  // windowed frames, spectrum, magnitude
  return with_margin(std::max(spectrum, at_once * 128 * description.widths.pitch * 6 * kFloat) +
                     at_once * 360 * kFloat + frames * 3 * 128 * kFloat + audio);
}

std::uint64_t convert_workspace_bytes(const Description& description, std::int64_t longest_segment_frames) {
  const std::int64_t frames = longest_segment_frames;
  const double seconds =
      static_cast<double>(frames * description.config.block_size) / description.config.sampling_rate;
  const std::int64_t hop = description.config.block_size;
  const std::int64_t units = frames * description.widths.encoder * kFloat;
  const std::int64_t sketch = 2 * frames * hop * kFloat;
  const std::int64_t mels = 6 * frames * description.vocoder_config.num_mels * kFloat;
  const std::int64_t kept = units + sketch + mels;
  const std::int64_t flow = frames * 14 * description.widths.flow * kFloat;
  const std::int64_t sines = description.vocoder_config.mini_nsf ? 0 : 40 * hop * kFloat;
  const std::int64_t pieces = std::min(frames, kVocoderPieceFrames + 64);
  const std::int64_t vocoder =
      pieces * (vocoder_bytes_per_frame(description) + sines) + 3 * frames * hop * kFloat;
  return with_margin(kept + std::max({encoder_bytes_at_once(description, seconds),
                                      frames * control_bytes_per_frame(description), flow, vocoder}));
}

core::WorkspaceNeed pitch_need(const Description& description, double seconds) {
  constexpr double kFramesPerSecond = 100;
  const double at_once = std::min(seconds, static_cast<double>(kPitchPieceFrames) / kFramesPerSecond);
  // What is beyond costs little a second, and must be told apart to be learnt.
  return {pitch_workspace_bytes(description, seconds),
          {.audio_seconds = at_once, .reference_seconds = seconds - at_once}};
}

core::WorkspaceNeed convert_need(const Description& description, std::int64_t longest_segment_frames,
                                 double longest_segment_seconds) {
  return {convert_workspace_bytes(description, longest_segment_frames),
          {.audio_seconds = longest_segment_seconds}};
}

std::vector<core::StageNeed> conversion_needs(const Description& description, double seconds) {
  const auto frames = static_cast<std::int64_t>(
      std::ceil(seconds * description.config.sampling_rate / description.config.block_size));
  return {{kPitchStage, pitch_need(description, seconds)},
          {kConvertStage, convert_need(description, frames, seconds)}};
}

}  // namespace greenroom::models::ddsp_svc
