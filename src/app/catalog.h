// The one place that names every model: tells from a path what it is.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/ddsp_svc/description.h"
#include "models/index_tts/description.h"
#include "models/model_file.h"
#include "models/voice.h"

namespace greenroom::app {

// The types of models, as they are registered.
inline constexpr const char* kDdspSvc = "ddsp_svc";
inline constexpr const char* kIndexTts = "index_tts";

// Is there the layout of an IndexTTS model, or of a DDSP-SVC voice (a config.yaml beside the model, or a
// folder that is no IndexTTS model)? Looks at file names only.
bool is_index_tts(const std::filesystem::path& path);
bool is_voice(const std::filesystem::path& path);

// The files that the model at `path` takes from other projects, and for IndexTTS its own; found or missing.
// Throws base::Error for a path that is no model, and a configuration that is missing or wrong.
std::vector<models::ModelFile> locate_files(const std::filesystem::path& path,
                                            const std::filesystem::path& pretrain_dir,
                                            const std::vector<std::filesystem::path>& search);

// A DDSP-SVC voice's components with their exact sizes, from file headers alone; never opens the models
// library. Throws base::Error; for something that is no voice, the message says what it is instead.
models::ddsp_svc::Description describe_voice(const std::filesystem::path& path,
                                             const std::filesystem::path& pretrain_dir);

// The same for an IndexTTS-2 folder. `precision`: "auto" is half of it on a GPU, as the official program's
// fp16 mode.
models::index_tts::Description describe_speech_model(const std::filesystem::path& path,
                                                     const std::vector<std::filesystem::path>& search,
                                                     const std::string& precision, base::DeviceId device);

// The same in a chosen precision, to know its size.
models::index_tts::Description describe_speech_model(const std::filesystem::path& path,
                                                     const std::vector<std::filesystem::path>& search,
                                                     const models::index_tts::Precision& precision);

}  // namespace greenroom::app
