// IndexTTS-2 as the manager and the user see it.
#pragma once

#include <filesystem>
#include <memory>

#include "models/index_tts/description.h"
#include "models/voice.h"

namespace greenroom::models::index_tts {

// What a text may be and still be spoken in one go.
inline constexpr std::size_t kMostCharacters = 50000;

// `images`: keeps the weights of components that were on a GPU, for the next time; may be null, outlives the
// model. `cache`: folder for the features of known voices; empty keeps none. Throws base::Error.
std::shared_ptr<const SynthesisModel> make_model(Description description, std::filesystem::path cache);

}  // namespace greenroom::models::index_tts
