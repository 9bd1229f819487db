// IndexTTS models by what they are made of, so that tokenizers and matrices are read once and not at every
// request.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "app/model_runtime.h"
#include "base/mutex.h"
#include "models/index_tts/description.h"
#include "models/voice.h"

namespace greenroom::app {

// Thread-safe.
class SpeechModels {
 public:
  // `cache`: folder for the features of known voices; empty keeps none. Borrows the runtime.
  SpeechModels(const ModelRuntime& runtime, std::filesystem::path cache)
      : runtime_(runtime), cache_(std::move(cache)) {}

  // The same model as long as none of its files changed. Opens the models library. Throws base::Error.
  std::shared_ptr<const models::SynthesisModel> get(models::index_tts::Description description)
      EXCLUDES_LOCK(mutex_);

 private:
  struct Entry {
    std::string stamp;
    std::shared_ptr<const models::SynthesisModel> model;
  };
  const ModelRuntime& runtime_;
  const std::filesystem::path cache_;
  base::Mutex mutex_;
  std::map<std::string, Entry> models_ GUARDED_BY(mutex_);  // by folder and precision
};

}  // namespace greenroom::app
