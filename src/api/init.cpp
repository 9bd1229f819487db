#include "greenroom/init.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "api/process.h"
#include "api/translate.h"
#include "app/catalog.h"
#include "base/error.h"
#include "base/log.h"

namespace greenroom {
namespace {

using api::at_border;
using api::Process;

// Is the model meant by `name`: its id, the folder it is in, or its path?
bool is_meant(const app::RegisteredModel& model, const std::string& name) {
  return model.id == name || model.path.parent_path().filename() == name || model.path == name ||
         model.path.parent_path() == name;
}

std::string names_of(const std::vector<app::RegisteredModel>& models) {
  std::string names;
  for (const auto& model : models) names += (names.empty() ? "" : ", ") + model.id;
  return names.empty() ? "none" : names;
}

std::string find_voice(app::Engine& engine, const std::string& target) {
  auto voices = engine.registry().list();
  std::erase_if(voices, [](const auto& model) { return model.type != "ddsp_svc"; });
  auto meant = voices;
  if (!target.empty()) std::erase_if(meant, [&](const auto& model) { return !is_meant(model, target); });
  const auto exact =
      std::find_if(meant.begin(), meant.end(), [&](const auto& model) { return model.id == target; });
  if (exact != meant.end()) return exact->id;
  if (meant.size() == 1) return meant.front().id;
  if (meant.size() > 1) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("several voices fit \"{}\": {}; name one by its id", target, names_of(meant)));
  }
  std::error_code ignored;
  if (!target.empty() && std::filesystem::exists(target, ignored)) return engine.registry().add(target);
  throw base::Error(base::ErrorCode::kNotFound,
                    fmt::format("there is no voice \"{}\"; registered are: {}", target, names_of(voices)));
}

std::string find_speaker(app::Engine& engine) {
  if (const auto& configured = engine.config().index_tts_model; !configured.empty()) {
    return engine.registry().add(configured);
  }
  auto speakers = engine.registry().list();
  std::erase_if(speakers, [](const auto& model) { return model.type != app::kIndexTts; });
  if (speakers.empty()) {
    throw base::Error(base::ErrorCode::kNotFound,
                      "there is no IndexTTS-2 model: load one, or name its folder as index_tts.model_dir");
  }
  if (speakers.size() == 1) return speakers.front().id;
  for (const auto& speaker : speakers) {
    const auto info = engine.model_info(speaker.id);
    if (info && info->status == core::ModelStatus::kLoaded) return speaker.id;
  }
  throw base::Error(base::ErrorCode::kInvalidArgument,
                    fmt::format("several IndexTTS-2 models are registered: {}; load one of them by its id",
                                names_of(speakers)));
}

void require_recording(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored)) return;
  throw base::Error(base::ErrorCode::kNotFound, fmt::format("{}: there is no such recording", path.string()));
}

}  // namespace

bool GPUManagerInitializer::initialize() {
  return initialize_gpu_management(options_);
}
void GPUManagerInitializer::shutdown() {
  shutdown_gpu_management();
}
GPUManagementStatus GPUManagerInitializer::get_status() const {
  return gpu_management_status();
}

bool initialize_gpu_management(const InitOptions& options) {
  try {
    Process::instance().start(options);
    return true;
  } catch (const std::exception& error) {
    base::log(base::LogLevel::kError, "api", error.what());
    return false;
  }
}

void shutdown_gpu_management() {
  at_border([] { Process::instance().stop(); });
}

GPUManagementStatus gpu_management_status() {
  return at_border([] {
    GPUManagementStatus status;
    status.problem = Process::instance().problem();
    const auto running = Process::instance().running();
    if (!running) return status;
    status.initialized = true;
    const auto all = running->status();
    status.total_models = static_cast<int>(running->registry().list().size());
    status.loaded_models =
        static_cast<int>(std::count_if(all.models.begin(), all.models.end(),
                                       [](const auto& m) { return m.status == core::ModelStatus::kLoaded; }));
    status.auto_cleanup_enabled = running->gpu_settings().auto_cleanup_enabled;
    status.auto_management_running = running->auto_management().is_running();
    status.memory_monitoring_running = running->monitoring().monitor().is_monitoring();
    status.uptime_seconds = all.uptime_seconds;
    for (const auto& device : all.devices) status.devices.push_back(api::to_public(device));
    status.state_problems = all.state_problems;
    return status;
  });
}

std::string auto_load_for_conversion(const std::filesystem::path& audio_path,
                                     const std::string& target_speaker) {
  return at_border([&] {
    require_recording(audio_path);
    const auto running = Process::instance().engine();
    auto id = find_voice(*running, target_speaker);
    running->registry().load(id);
    return id;
  });
}

std::string auto_load_for_synthesis(const std::string& text, const std::filesystem::path& speaker_audio) {
  return at_border([&] {
    require_recording(speaker_audio);
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
      throw base::Error(base::ErrorCode::kInvalidArgument, "the text is empty");
    }
    const auto running = Process::instance().engine();
    auto id = find_speaker(*running);
    running->registry().load(id);
    return id;
  });
}

}  // namespace greenroom
