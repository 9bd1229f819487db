// How the engine speaks.
#include <spdlog/fmt/fmt.h>

#include "app/catalog.h"
#include "app/engine.h"
#include "app/model_library.h"
#include "app/staged_model.h"
#include "base/error.h"

namespace greenroom::app {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

std::string Engine::open_speech_model(const std::filesystem::path& path, const std::string& device) {
  const base::DeviceId place = pick_device(device);
  auto description =
      describe_speech_model(path, config_.index_tts_search, config_.index_tts_precision, place);
  share_equal_files(description.components);
  std::string id = std::filesystem::absolute(description.folder).lexically_normal().string();
  std::filesystem::path cache;
  if (!config_.cache_dir.empty()) cache = config_.cache_dir / "voices";
  const auto model = make_speech_model(std::move(description), cache);
  model_library().set_host_cache(host_cache_bytes());
  MutexLock lock(speech_mutex_);
  speech_models_[id] = {model, place};
  return id;
}

models::SpeakResult Engine::speak(const std::string& model_id, const models::SpeakRequest& request,
                                  const models::SpeakOptions& options, const models::SpeakControl& control) {
  SpeechModel speech;
  {
    MutexLock lock(speech_mutex_);
    const auto found = speech_models_.find(model_id);
    if (found == speech_models_.end()) {
      throw Error(ErrorCode::kNotFound, fmt::format("'{}' is not open", model_id));
    }
    speech = found->second;
  }
  use_threads();
  StagedAccess access(*manager_, model_id, speech.model, speech.device);
  return speech.model->speak(access, speech.device, request, options, control);
}

bool Engine::unload_speech_model(const std::string& model_id, bool force) {
  std::shared_ptr<const models::SynthesisModel> model;
  {
    MutexLock lock(speech_mutex_);
    const auto found = speech_models_.find(model_id);
    if (found == speech_models_.end()) return false;
    model = found->second.model;
    speech_models_.erase(found);
  }
  for (const auto& stage : model->stages()) {
    const std::string id = stage_id(model_id, stage);
    if (manager_->model_status(id) == core::ModelStatus::kUnloaded) continue;
    try {
      manager_->unload(id, force ? core::UnloadMode::kForce : core::UnloadMode::kFree);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;  // evicted meanwhile
    }
  }
  return true;
}

}  // namespace greenroom::app
