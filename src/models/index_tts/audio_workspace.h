// How much activation memory the audio stages of a run need beside their weights, known before it starts. No
// torch here.
#pragma once

#include <cstdint>

#include "models/index_tts/description.h"

namespace greenroom::models::index_tts {

// Mel frames that the vocoder takes at a time, so that its memory stops growing with the segment.
inline constexpr std::int64_t kVocoderPieceFrames = 1024;
// Scores of the flow's attention that are held at a time.
inline constexpr std::int64_t kFlowScoreBytes = 64 << 20;

// Upper estimates from the networks' widths, a little above what is measured (docs/benchmarks.md). Seconds
// are those of the reference recording; what is beyond 15 of them is not used and costs nothing.
std::uint64_t speech_workspace_bytes(const Widths& widths, double reference_seconds);
// The codec's encoder, the speaker encoder and the regulator, one after the other.
std::uint64_t voice_workspace_bytes(const Widths& widths, double reference_seconds);
// Frames of the reference's mel and of the new speech, which target_frames() tells from its codes. `guided`:
// with a guidance above 0, as usual.
std::uint64_t acoustic_workspace_bytes(const Widths& widths, int heads, std::int64_t reference_frames,
                                       std::int64_t new_frames, bool guided = true);
std::uint64_t vocoder_workspace_bytes(const Widths& widths, const VocoderConfig& config, std::int64_t frames);

}  // namespace greenroom::models::index_tts
