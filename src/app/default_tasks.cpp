#include "app/default_tasks.h"

#include <algorithm>

namespace greenroom::app {

std::vector<core::TaskProfile> default_tasks(const Config& config) {
  std::vector<core::PreloadConfig> speakers;
  std::vector<core::PreloadConfig> voices;
  if (!config.index_tts_model.empty()) speakers.push_back({"index_tts", config.index_tts_model});
  if (!config.ddsp_svc_model.empty()) voices.push_back({"ddsp_svc", config.ddsp_svc_model});
  core::TaskProfile creation{"voice_creation", speakers, voices};
  if (speakers.empty()) std::swap(creation.required_models, creation.optional_models);
  std::vector<core::TaskProfile> tasks = {
      {"voice_synthesis", speakers, {}}, {"voice_conversion", voices, {}}, std::move(creation)};
  for (const auto& task : config.tasks) {
    const auto same = std::find_if(tasks.begin(), tasks.end(),
                                   [&](const auto& other) { return other.task_name == task.task_name; });
    if (same != tasks.end()) {
      *same = task;
    } else {
      tasks.push_back(task);
    }
  }
  return tasks;
}

}  // namespace greenroom::app
