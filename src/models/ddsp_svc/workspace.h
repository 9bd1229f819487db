// How much activation memory a run needs beside its weights. No torch here.
#pragma once

#include <cstdint>
#include <vector>

#include "core/model.h"
#include "models/ddsp_svc/description.h"

namespace greenroom::models::ddsp_svc {

// Frames that the long-running networks take at a time, so that their memory stops growing with the
// recording.
inline constexpr std::int64_t kPitchPieceFrames = 8192;    // of 10 ms, the overlap included
inline constexpr std::int64_t kEncoderPieceFrames = 500;   // of 20 ms
inline constexpr std::int64_t kVocoderPieceFrames = 1024;  // of one hop
inline constexpr std::int64_t kAttentionScoreBytes = 64 << 20;

// Upper estimates from the networks' widths, a little above what is measured (docs/benchmarks.md).
std::uint64_t pitch_workspace_bytes(const Description& description, double seconds);
std::uint64_t convert_workspace_bytes(const Description& description, std::int64_t longest_segment_frames);

// The same with what decides them, as the stages ask for it. `longest_segment_seconds`: between two pauses.
core::WorkspaceNeed pitch_need(const Description& description, double seconds);
core::WorkspaceNeed convert_need(const Description& description, std::int64_t longest_segment_frames,
                                 double longest_segment_seconds);
// Of the conversion of so many seconds without a pause.
std::vector<core::StageNeed> conversion_needs(const Description& description, double seconds);

}  // namespace greenroom::models::ddsp_svc
