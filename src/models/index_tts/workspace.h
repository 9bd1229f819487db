// How much activation memory the stages of the language models need beside their weights, known before a run
// starts; audio_workspace.h has the others. No torch
// here.
#pragma once

#include <cstdint>
#include <vector>

#include "core/model.h"
#include "models/index_tts/description.h"
#include "models/voice.h"

namespace greenroom::models::index_tts {

// `steps`: of the speech features, 50 a second.
std::uint64_t conditioning_workspace_bytes(const Description& description, std::int64_t steps);
std::uint64_t emotion_text_workspace_bytes(const Description& description, std::int64_t prompt,
                                           std::int64_t most_tokens);
// `text`: tokens of the longest segment. Of codes it counts the most there may be.
std::uint64_t generation_stage_bytes(const Description& description, const SpeakOptions& options,
                                     std::int64_t text, std::int64_t segments, std::int64_t speaker_vectors);
// The frames of the reference and of what is made are attended to together.
core::WorkspaceNeed acoustic_need(const Description& description, std::int64_t reference_frames,
                                  std::int64_t frames, bool guided);
core::WorkspaceNeed vocoder_need(const Description& description, std::int64_t frames);
// Of speaking that many characters in a known voice, before the text is known: for as many tokens as
// characters, spoken slowly.
std::vector<core::StageNeed> speech_needs(const Description& description, const SpeakOptions& options,
                                          std::size_t characters);

}  // namespace greenroom::models::index_tts
