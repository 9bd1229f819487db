// How the engine gets from ids and paths to models, and where it puts them.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "app/catalog.h"
#include "app/engine.h"
#include "app/staged_model.h"
#include "base/error.h"
#include "base/log.h"
#include "models/ddsp_svc/workspace.h"
#include "models/index_tts/workspace.h"

namespace greenroom::app {
namespace {

using base::DeviceId;
using base::Error;
using base::ErrorCode;

constexpr const char* kAuto = "auto";

// What a plan needs of a model: sizes and identities, without libtorch. Immutable.
class DescribedModel final : public core::Model {
 public:
  DescribedModel(std::string type, std::vector<core::ComponentSpec> components,
                 std::vector<core::Stage> stages = {})
      : type_(std::move(type)), components_(std::move(components)), stages_(std::move(stages)) {}
  std::string type() const override { return type_; }
  const std::vector<core::ComponentSpec>& components() const override { return components_; }
  const std::vector<core::Stage>& stages() const override { return stages_; }
  std::shared_ptr<core::LoadedComponent> load_component(std::size_t, base::DeviceId,
                                                        const core::LoadControl&) const override {
    throw Error(ErrorCode::kInternal, "a model that was only described cannot be loaded");
  }

 private:
  std::string type_;
  std::vector<core::ComponentSpec> components_;
  std::vector<core::Stage> stages_;
};

std::vector<core::ComponentSpec> resident_components(const models::index_tts::Description& description) {
  std::vector<core::ComponentSpec> components;
  for (const std::size_t index : description.resident_components()) {
    components.push_back(description.components[index]);
  }
  return components;
}

}  // namespace

Engine::Found Engine::find(const std::string& model_id) const {
  if (const auto known = registry_->find(model_id)) {
    return {known->type, known->path, known->device == kAuto ? config_.device : known->device};
  }
  std::error_code ignored;
  if (!std::filesystem::exists(model_id, ignored)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("'{}' is not loaded, not registered, and no path of a model", model_id));
  }
  return {is_index_tts(model_id) ? kIndexTts : kDdspSvc, model_id, config_.device};
}

void Engine::check_type(const std::string& model_id, const char* wanted) const {
  const auto loaded = manager_->model_info(model_id);
  const std::string type = loaded && !loaded->type.empty() ? loaded->type : find(model_id).type;
  if (type == wanted) return;
  throw Error(
      ErrorCode::kInvalidArgument,
      type == kIndexTts
          ? fmt::format("'{}' is an IndexTTS model: it speaks text and converts no recordings; use "
                        "`greenroom speak`",
                        model_id)
          : fmt::format("'{}' is no IndexTTS-2 model but a {} voice: it converts recordings and speaks "
                        "no text; use `greenroom convert`",
                        model_id, type));
}

int Engine::usable_gpus() const {
  const auto& all = discovery_.devices;
  const bool has_gpu = std::any_of(all.begin(), all.end(), [](const auto& device) {
    return device->id().kind == base::DeviceKind::kCuda;
  });
  return has_gpu ? runtime_.library().cuda_device_count() : 0;
}

core::GroupMember Engine::resolve(const core::PreloadConfig& config) {
  return registry_->resolve(registry_->add(config.model_path, config.device == kAuto ? "" : config.device));
}

core::GroupMember Engine::resolve(const std::string& model_id) {
  if (registry_->find(model_id)) return registry_->resolve(model_id);
  return make_member(model_id, find(model_id));
}

// Other devices may be used when nobody chose one.
std::vector<DeviceId> Engine::fallbacks(const std::string& model_id) const {
  const auto registered = registry_->find(model_id);
  const std::string wanted = registered && registered->device != kAuto ? registered->device : config_.device;
  if (wanted != kAuto) return {};
  std::vector<DeviceId> devices;
  const int usable = usable_gpus();
  for (const auto& device : discovery_.devices) {
    const auto id = device->id();
    if (id.kind == base::DeviceKind::kCuda && id.index < usable) devices.push_back(id);
  }
  devices.emplace_back();
  return devices;
}

ModelSource Engine::model_source() {
  return {.identify = [this](const std::filesystem::path& path) -> ModelSource::Identity {
            if (is_index_tts(path)) return {kIndexTts, describe_speech(path, DeviceId()).folder};
            return {kDdspSvc, describe_voice(path, config_.pretrain_dir).model_file};
          },
          .make =
              [this](const RegisteredModel& model) {
                return make_member(model.id, {model.type, model.path,
                                              model.device == kAuto ? config_.device : model.device});
              }};
}

core::GroupMember Engine::make_member(const std::string& id, const Found& found) {
  if (found.type != kIndexTts) return make_voice_member(id, found);
  const DeviceId where = found.device == kAuto ? place_speech(id, found.path) : pick_device(found.device);
  return make_speech_member(id, found.path, where, false);
}

core::GroupMember Engine::make_voice_member(const std::string& id, const Found& found) {
  auto description = describe_voice(found.path, config_.pretrain_dir);
  share_equal_files(description.components);
  const DeviceId where =
      found.device == kAuto
          ? place({{id, std::make_shared<DescribedModel>(kDdspSvc, description.components)}})
          : pick_device(found.device);
  return {id, runtime_.library().make_ddsp_svc(std::move(description)), where};
}

// Half precision is not for the CPU, and what is only to be sized there may be sized without.
models::index_tts::Description Engine::describe_speech(const std::filesystem::path& path, DeviceId device) {
  auto description =
      describe_speech_model(path, config_.index_tts_search, config_.index_tts_precision, device);
  share_equal_files(description.components);
  return description;
}

std::shared_ptr<const models::SynthesisModel> Engine::make_speech(const std::filesystem::path& path,
                                                                  DeviceId device) {
  return speech_models_.get(describe_speech(path, device));
}

core::GroupMember Engine::make_speech_member(const std::string& id, const std::filesystem::path& path,
                                             DeviceId device, bool in_stages) {
  auto whole = make_speech(path, device);
  const auto stages = in_stages ? std::vector<std::size_t>() : whole->resident_stages();
  return {id, std::make_shared<PartModel>(std::move(whole), stages), device};
}

// On a GPU it is smaller than on the CPU, so it is placed by what it would be there.
DeviceId Engine::place_speech(const std::string& id, const std::filesystem::path& path) {
  if (usable_gpus() == 0) return {};
  const auto description = describe_speech(path, {base::DeviceKind::kCuda, 0});
  return place({{id, std::make_shared<DescribedModel>(kIndexTts, resident_components(description))}});
}

void Engine::share_equal_files(std::vector<core::ComponentSpec>& components) {
  if (!config_.share_equal_files) return;
  for (auto& component : components) component.file = equal_files_.representative(component.file);
}

DeviceId Engine::place(const std::vector<core::PlanItem>& items) const {
  core::PlacementRules rules;
  std::map<DeviceId, int> utilisation;
  const int usable = usable_gpus();
  for (const auto& device : discovery_.devices) {
    const DeviceId id = device->id();
    if (id.kind == base::DeviceKind::kCpu) continue;
    if (id.kind != base::DeviceKind::kCuda || id.index >= usable) {
      rules.unusable.insert(id);
      continue;
    }
    try {
      if (const auto busy = device->telemetry().utilisation_percent) utilisation[id] = *busy;
    } catch (const Error& error) {
      base::log(base::LogLevel::kWarning, "app", error.what());
    }
  }
  const core::Placement placement = manager_->place(items, rules, utilisation);
  base::log(base::LogLevel::kDebug, "app",
            fmt::format("placed on {}: {}", base::to_string(placement.device.value_or(DeviceId())),
                        placement.reason));
  return placement.device.value_or(DeviceId());
}

core::Plan Engine::plan(const PlanQuestion& question) {
  auto ids = question.load;
  if (!question.task.empty()) {
    const auto tasks = tasks_->list();
    const auto task = std::find_if(tasks.begin(), tasks.end(),
                                   [&](const auto& each) { return each.profile.task_name == question.task; });
    if (task == tasks.end()) {
      throw Error(ErrorCode::kNotFound, fmt::format("there is no task '{}'", question.task));
    }
    for (const auto& model : task->profile.required_models) ids.push_back(model.model_path);
  }
  if (ids.empty()) throw Error(ErrorCode::kInvalidArgument, "nothing to plan: name a model or a task");
  const bool is_auto = question.device == kAuto;
  const DeviceId sized_for = is_auto ? (usable_gpus() > 0 ? DeviceId{base::DeviceKind::kCuda, 0} : DeviceId())
                                     : pick_device(question.device);
  std::vector<core::PlanItem> items;
  std::vector<std::pair<std::shared_ptr<const core::Model>, std::vector<core::StageNeed>>> runs;
  for (const auto& id : ids) {
    const Found found = find(id);
    if (found.type == kIndexTts) {
      const auto description = describe_speech(found.path, sized_for);
      items.push_back({id, std::make_shared<DescribedModel>(kIndexTts, resident_components(description))});
      if (const auto& characters = question.speak_characters) {
        runs.emplace_back(
            std::make_shared<DescribedModel>(kIndexTts, description.components, description.stages),
            models::index_tts::speech_needs(description, {}, *characters));
      }
      continue;
    }
    auto description = describe_voice(found.path, config_.pretrain_dir);
    share_equal_files(description.components);
    const auto model = std::make_shared<DescribedModel>(kDdspSvc, description.components, description.stages);
    items.push_back({id, model});
    if (const auto& seconds = question.convert_seconds) {
      runs.emplace_back(model, models::ddsp_svc::conversion_needs(description, *seconds));
    }
  }
  if ((question.convert_seconds || question.speak_characters) && runs.empty()) {
    throw Error(ErrorCode::kInvalidArgument, question.speak_characters
                                                 ? "none of the models speaks: name an IndexTTS-2 model"
                                                 : "none of the models converts: name a DDSP-SVC voice");
  }
  const DeviceId device = is_auto ? place(items) : sized_for;
  std::uint64_t workspace = 0;  // what admission would ask for the run
  for (const auto& [model, needs] : runs) {
    workspace =
        std::max(workspace, core::expected_workspace(manager_->workspace_profile(), *model, device, needs));
  }
  return manager_->plan(items, device, workspace);
}

DeviceId Engine::pick_device(const std::string& name) const {
  if (name == "auto") return place({});
  const auto wanted = base::parse_device_id(name);
  if (!wanted)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the device \"{}\" is not auto, cpu or cuda:N", name));
  if (wanted->kind == base::DeviceKind::kCpu) return *wanted;
  const bool present = std::any_of(discovery_.devices.begin(), discovery_.devices.end(),
                                   [&](const auto& device) { return device->id() == *wanted; });
  if (!present) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("there is no device {}: {}", name,
                            discovery_.no_gpu_reason.empty() ? "this machine has fewer GPUs"
                                                             : discovery_.no_gpu_reason));
  }
  if (runtime_.library().cuda_device_count() <= wanted->index) {
    throw Error(
        ErrorCode::kFailedPrecondition,
        fmt::format("{} is there, but the libtorch this was built with ({}) cannot use it; build with "
                    "-DGREENROOM_TORCH=python and a PyTorch with CUDA, or use --device cpu",
                    name, runtime_.library().torch_version()));
  }
  return *wanted;
}

std::string Engine::load_model(const std::filesystem::path& path, const std::string& device) {
  const bool speaks = is_index_tts(path);
  const auto file = speaks ? describe_speech(path, DeviceId()).folder
                           : describe_voice(path, config_.pretrain_dir).model_file;
  std::string id = std::filesystem::absolute(file).lexically_normal().string();
  if (id.ends_with('/')) id.pop_back();
  const auto member = make_member(id, {speaks ? kIndexTts : kDdspSvc, path, device});
  core::RecoverableOperation load;
  load.name = "load";
  load.model_id = id;
  load.device = member.device;
  load.run = [&](const auto& attempt) {
    const bool is_home = attempt.device == member.device || !speaks;
    manager_->load(id, is_home ? member.model : make_speech_member(id, path, attempt.device, false).model,
                   attempt.device);
  };
  if (device == kAuto) load.fallbacks = fallbacks(id);
  std::erase(load.fallbacks, load.device);
  recovery_->execute(load);
  return id;
}

std::uint64_t Engine::estimate_bytes(const std::filesystem::path& path) const {
  std::uint64_t bytes = 0;
  const auto components = is_index_tts(path)
                              ? resident_components(describe_speech_model(
                                    path, config_.index_tts_search, config_.index_tts_precision, DeviceId()))
                              : describe_voice(path, config_.pretrain_dir).components;
  for (const auto& component : components) bytes += component.bytes;
  return bytes;
}

}  // namespace greenroom::app
