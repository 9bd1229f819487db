#include "greenroom/model_manager.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <utility>

#include "api/process.h"
#include "api/speech.h"
#include "api/translate.h"
#include "app/catalog.h"
#include "base/error.h"
#include "greenroom/models/ddsp_svc.h"
#include "greenroom/models/index_tts.h"

namespace greenroom {
namespace {

using api::at_border;
using api::Process;
using api::to_public;

std::shared_ptr<app::Engine> engine() {
  return Process::instance().engine();
}

ModelInfo describe(const app::RegisteredModel& model, const core::ModelInfo* loaded) {
  ModelInfo info{.model_id = model.id,
                 .model_type = api::model_type_from(model.type),
                 .model_path = model.path,
                 .device = model.device,
                 .pinned = model.pinned,
                 .baseline = model.baseline,
                 .keep_alive_seconds = model.keep_alive_seconds};
  if (loaded == nullptr) return info;
  info.device = base::to_string(loaded->device);
  info.status = to_public(loaded->status);
  info.reference_count = loaded->holds;
  info.running = loaded->leases;
  info.memory_bytes = loaded->bytes;
  info.error_message = loaded->error;
  return info;
}

class DdspSvcHandle final : public DdspSvcModel {
 public:
  explicit DdspSvcHandle(std::string id) : id_(std::move(id)) {}
  const std::string& model_id() const override { return id_; }
  ModelType model_type() const override { return ModelType::ddsp_svc; }

  DdspSvcResult infer(const Audio& audio, int speaker_id, const DdspSvcOptions& options) override {
    return at_border([&] {
      auto result =
          engine()->convert(id_, {audio.samples, audio.sample_rate}, convert_options(speaker_id, options),
                            {options.progress, options.cancelled}, {.auto_load = false});
      DdspSvcResult answer;
      answer.audio = {std::move(result.audio.samples), result.audio.sample_rate};
      for (auto& stage : result.stage_times)
        answer.stage_times.push_back({std::move(stage.stage), stage.seconds});
      answer.peak_workspace_bytes = result.peak_workspace_bytes;
      answer.notices = std::move(result.notices);
      return answer;
    });
  }

 private:
  static models::ConvertOptions convert_options(int speaker_id, const DdspSvcOptions& options) {
    models::ConvertOptions result;
    result.speaker = speaker_id;
    result.speaker_mix = options.speaker_mix;
    result.key_semitones = options.key_semitones;
    result.formant_semitones = options.formant_semitones;
    result.vocal_register_semitones = options.vocal_register_semitones;
    result.f0_extractor = options.f0_extractor;
    result.f0_min_hz = options.f0_min_hz;
    result.threshold_db = options.threshold_db;
    result.steps = options.steps;
    if (options.method) {
      result.method =
          *options.method == OdeMethod::euler ? models::OdeMethod::kEuler : models::OdeMethod::kRk4;
    }
    result.t_start = options.t_start;
    result.seed = options.seed;
    return result;
  }

  const std::string id_;
};

class IndexTtsHandle final : public IndexTtsModel {
 public:
  explicit IndexTtsHandle(std::string id) : id_(std::move(id)) {}
  const std::string& model_id() const override { return id_; }
  ModelType model_type() const override { return ModelType::index_tts; }

  IndexTtsResult infer(const std::string& text, const Audio& speaker_audio,
                       const IndexTtsOptions& options) override {
    return at_border([&] {
      auto result =
          engine()->speak(id_, api::speak_request(text, speaker_audio, options), api::speak_options(options),
                          api::speak_control(options), {.auto_load = false});
      IndexTtsResult answer;
      answer.audio = {std::move(result.audio.samples), result.audio.sample_rate};
      for (auto& stage : result.stage_times)
        answer.stage_times.push_back({std::move(stage.stage), stage.seconds});
      answer.peak_workspace_bytes = result.peak_workspace_bytes;
      answer.notices = std::move(result.notices);
      answer.segments = result.segments;
      answer.speech_tokens = result.speech_tokens;
      answer.voice_was_known = result.voice_was_known;
      return answer;
    });
  }

 private:
  const std::string id_;
};

void change_setting(const std::string& name, double value) {
  at_border([&] {
    // The shortest text that reads back as the same number, in any locale.
    char text[32];
    const auto end = std::to_chars(std::begin(text), std::end(text), value).ptr;
    engine()->change_gpu_setting(name, std::string(std::begin(text), end));
  });
}

// Only a model of that type is registered.
std::string load(const std::filesystem::path& path, const std::string& device, const std::string& model_id,
                 ModelType type) {
  return at_border([&] {
    const auto running = engine();
    if (app::is_index_tts(path) != (type == ModelType::index_tts)) {
      throw base::Error(
          std::filesystem::exists(path) ? base::ErrorCode::kInvalidArgument : base::ErrorCode::kNotFound,
          fmt::format("{}: no {} model there; {}", path.string(), model_type_name(type),
                      type == ModelType::index_tts
                          ? "it takes a folder with gpt.pth; for a voice use load_ddsp_model"
                          : "it is an IndexTTS model: use load_index_tts_model"));
    }
    auto id = running->registry().add(path, device, model_id);
    running->registry().load(id);
    return id;
  });
}

}  // namespace

std::string GPUModelManager::load_ddsp_model(const std::filesystem::path& model_path,
                                             const std::string& device, const std::string& model_id) {
  return load(model_path, device, model_id, ModelType::ddsp_svc);
}

std::string GPUModelManager::load_index_tts_model(const std::filesystem::path& model_dir,
                                                  const std::string& device, const std::string& model_id) {
  return load(model_dir, device, model_id, ModelType::index_tts);
}

bool GPUModelManager::unload_model(const std::string& model_id, bool force) {
  return at_border([&] {
    const auto running = engine();
    if (!running->model_info(model_id)) return false;
    running->registry().unload(model_id, force);
    return true;
  });
}

std::vector<std::string> GPUModelManager::unload_all_models(bool force) {
  return at_border([&] {
    const auto running = engine();
    std::vector<std::string> gone;
    for (const auto& model : running->status().models) {
      try {
        // Once for each load: a task's holds end with the task, unless they are forced off.
        for (int holds = force ? 1 : model.holds; holds > 0; --holds)
          running->registry().unload(model.id, force);
      } catch (const base::Error&) {  // gone by itself, or what is left is a task's
      }
      const auto left = running->model_info(model.id);
      if (!left || left->status == core::ModelStatus::kUnloading) gone.push_back(model.id);
    }
    return gone;
  });
}

std::shared_ptr<Model> GPUModelManager::get_model(const std::string& model_id) const {
  return at_border([&]() -> std::shared_ptr<Model> {
    const auto info = engine()->model_info(model_id);
    if (!info || info->status != core::ModelStatus::kLoaded) return nullptr;
    if (info->type == app::kIndexTts) return std::make_shared<IndexTtsHandle>(model_id);
    if (info->type != app::kDdspSvc) return nullptr;
    return std::make_shared<DdspSvcHandle>(model_id);
  });
}

std::optional<ModelInfo> GPUModelManager::get_model_info(const std::string& model_id) const {
  return at_border([&]() -> std::optional<ModelInfo> {
    const auto running = engine();
    const auto model = running->registry().find(model_id);
    if (!model) return std::nullopt;
    const auto loaded = running->model_info(model_id);
    return describe(*model, loaded ? &*loaded : nullptr);
  });
}

std::vector<ModelInfo> GPUModelManager::list_models() const {
  return at_border([&] {
    const auto running = engine();
    std::vector<ModelInfo> models;
    for (const auto& model : running->registry().list()) {
      const auto loaded = running->model_info(model.id);
      models.push_back(describe(model, loaded ? &*loaded : nullptr));
    }
    return models;
  });
}

void GPUModelManager::keep_model(const std::string& model_id, const KeepOptions& options) {
  at_border([&] {
    engine()->registry().keep(model_id, {options.pinned, options.baseline, options.keep_alive_seconds});
  });
}

void GPUModelManager::forget_model(const std::string& model_id) {
  at_border([&] { engine()->registry().forget(model_id); });
}

std::vector<DeviceMemoryUsage> GPUModelManager::get_memory_usage() const {
  return at_border([&] {
    std::vector<DeviceMemoryUsage> usage;
    for (const auto& device : engine()->status().devices) usage.push_back(to_public(device));
    return usage;
  });
}

std::uint64_t GPUModelManager::optimize_memory() {
  return at_border([&] { return engine()->free_idle(); });
}

void GPUModelManager::enable_auto_cleanup(bool enabled) {
  at_border([&] { engine()->change_gpu_setting("auto_cleanup_enabled", enabled ? "true" : "false"); });
}

bool GPUModelManager::auto_cleanup_enabled() const {
  return at_border([&] { return engine()->gpu_settings().auto_cleanup_enabled; });
}

void GPUModelManager::set_cleanup_threshold(double percent) {
  change_setting("cleanup_threshold_percent", percent);
}

double GPUModelManager::cleanup_threshold() const {
  return at_border([&] { return engine()->gpu_settings().cleanup_threshold_percent; });
}

void GPUModelManager::set_idle_timeout(double minutes) {
  change_setting("idle_timeout_minutes", minutes);
}

double GPUModelManager::idle_timeout() const {
  return at_border([&] { return engine()->gpu_settings().idle_timeout_minutes; });
}

GPUModelManager& get_model_manager() {
  static GPUModelManager manager;  // holds nothing: the engine is Process's
  return manager;
}

std::string load_ddsp_model(const std::filesystem::path& model_path, const std::string& device,
                            const std::string& model_id) {
  return get_model_manager().load_ddsp_model(model_path, device, model_id);
}

std::string load_index_tts_model(const std::filesystem::path& model_dir, const std::string& device,
                                 const std::string& model_id) {
  return get_model_manager().load_index_tts_model(model_dir, device, model_id);
}

bool unload_model(const std::string& model_id, bool force) {
  return get_model_manager().unload_model(model_id, force);
}

std::shared_ptr<Model> get_model(const std::string& model_id) {
  return get_model_manager().get_model(model_id);
}

std::shared_ptr<DdspSvcModel> get_ddsp_model(const std::string& model_id) {
  return std::dynamic_pointer_cast<DdspSvcModel>(get_model(model_id));
}

std::shared_ptr<IndexTtsModel> get_index_tts_model(const std::string& model_id) {
  return std::dynamic_pointer_cast<IndexTtsModel>(get_model(model_id));
}

}  // namespace greenroom
