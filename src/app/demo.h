// Demo models in one step: made, registered, and a voice to speak in.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/engine.h"
#include "app/voice_library.h"

namespace greenroom::app {

// Writes the demo models below config.cache_dir/demo, registers them as demo/alto, demo/tenor and
// demo/index_tts, and keeps a made-up reference voice "demo". Doing it again makes them anew. Returns the ids
// of the models. `told` hears of each file (may be empty) and may throw to stop it. Throws base::Error:
// kFailedPrecondition (no cache_dir, or an id is another model's), kUnavailable (the disk).
std::vector<std::string> make_demo(Engine& engine, VoiceLibrary& voices,
                                   const std::function<void(const std::string& file)>& told);

}  // namespace greenroom::app
