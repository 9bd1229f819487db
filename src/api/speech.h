// Options of speaking, from the public names to the engine's.
#pragma once

#include <string>

#include "greenroom/models/index_tts.h"
#include "models/voice.h"

namespace greenroom::api {

models::SpeakRequest speak_request(const std::string& text, const Audio& speaker_audio,
                                   const IndexTtsOptions& options);
models::SpeakOptions speak_options(const IndexTtsOptions& options);
// Borrows `options`.
models::SpeakControl speak_control(const IndexTtsOptions& options);

}  // namespace greenroom::api
