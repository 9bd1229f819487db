#include "app/speech_models.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;

// Another text when one of the files has other contents.
std::string stamp_of(const models::index_tts::Description& description) {
  std::vector<fs::path> files = {description.folder / "config.yaml", description.bpe_model,
                                 description.speech_statistics,      description.speaker_matrix,
                                 description.emotion_matrix,         description.folder / "glossary.yaml"};
  for (const auto& component : description.components) files.push_back(component.file);
  std::string stamp;
  std::error_code error;
  for (const auto& file : files) {
    const auto size = fs::file_size(file, error);
    const auto time = error ? fs::file_time_type() : fs::last_write_time(file, error);
    stamp += fmt::format("{}|{}|{}\n", file.string(), error ? 0 : size, time.time_since_epoch().count());
  }
  return stamp;
}

}  // namespace

std::shared_ptr<const models::SynthesisModel> SpeechModels::get(models::index_tts::Description description) {
  const std::string key =
      fmt::format("{}|{}", description.folder.string(), checkpoint::dtype_name(description.precision.gpt));
  std::string stamp = stamp_of(description);
  {
    base::MutexLock lock(mutex_);
    const auto found = models_.find(key);
    if (found != models_.end() && found->second.stamp == stamp) return found->second.model;
  }
  auto model = runtime_.library().make_index_tts(std::move(description), cache_);
  base::MutexLock lock(mutex_);
  models_[key] = {std::move(stamp), model};
  return model;
}

}  // namespace greenroom::app
