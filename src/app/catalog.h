// The one place that names every model: tells from a path what it is.
#pragma once

#include <filesystem>
#include <memory>

#include "models/ddsp_svc/description.h"
#include "models/voice.h"

namespace greenroom::app {

// Is there the layout of an IndexTTS model, or of a DDSP-SVC voice (a config.yaml beside the model, or a
// folder that is no IndexTTS model)? Looks at file names only.
bool is_index_tts(const std::filesystem::path& path);
bool is_voice(const std::filesystem::path& path);

// A DDSP-SVC voice's components with their exact sizes, from file headers alone; never opens the models
// library. Throws base::Error; for something that is no voice, the message says what it is instead.
models::ddsp_svc::Description describe_voice(const std::filesystem::path& path,
                                             const std::filesystem::path& pretrain_dir);

// The same as a model that can be loaded. Opens the models library.
std::shared_ptr<const models::ConversionModel> make_voice(models::ddsp_svc::Description description);

}  // namespace greenroom::app
