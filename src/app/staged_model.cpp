#include "app/staged_model.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace greenroom::app {
namespace {

constexpr char kMark = '#';

// A pinned part that answers to the whole model's indexes.
class MappedStage final : public core::PinnedStage {
 public:
  MappedStage(std::shared_ptr<const PartModel> part, std::unique_ptr<core::PinnedStage> pinned)
      : part_(std::move(part)), pinned_(std::move(pinned)) {}
  core::LoadedComponent& component(std::size_t index) override {
    return pinned_->component(part_->component_position(index));
  }
  void measured(std::uint64_t peak_bytes) override { pinned_->measured(peak_bytes); }

 private:
  std::shared_ptr<const PartModel> part_;
  std::unique_ptr<core::PinnedStage> pinned_;
};

class LeasedStage final : public core::PinnedStage {
 public:
  LeasedStage(core::Lease lease, core::StageWorkspace workspace)
      : lease_(std::move(lease)), workspace_(std::move(workspace)) {}
  core::LoadedComponent& component(std::size_t index) override { return lease_.component(index); }
  void measured(std::uint64_t peak_bytes) override { workspace_.measured(peak_bytes); }

 private:
  core::Lease lease_;
  core::StageWorkspace workspace_;
};

// The hold of a load: taken off again, with the model left idle, once a lease has taken over.
class Hold {
 public:
  Hold(core::Manager& manager, std::string id) : manager_(manager), id_(std::move(id)) {}
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() {
    try {
      manager_.unload(id_, core::UnloadMode::kKeep);
    } catch (const base::Error&) {  // a forced unload was first
    }
  }

 private:
  core::Manager& manager_;
  std::string id_;
};

}  // namespace

std::string stage_id(const std::string& model_id, const core::Stage& stage) {
  return fmt::format("{}{}{}", model_id, kMark, stage.name);
}

std::string stages_id(const std::string& model_id) {
  return fmt::format("{}{}stages", model_id, kMark);
}

// Registered ids have no mark; a path may.
bool is_stage_id(std::string_view id) {
  const auto mark = id.rfind(kMark);
  if (mark == std::string_view::npos) return false;
  const auto name = id.substr(mark + 1);
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

PartModel::PartModel(std::shared_ptr<const core::Model> whole, const std::vector<std::size_t>& stages)
    : whole_(std::move(whole)), stage_indexes_(stages) {
  for (const std::size_t stage : stages) {
    core::Stage mine{whole_->stages().at(stage).name, {}};
    for (const std::size_t index : whole_->stages()[stage].components) {
      const auto known = std::find(component_indexes_.begin(), component_indexes_.end(), index);
      mine.components.push_back(static_cast<std::size_t>(known - component_indexes_.begin()));
      if (known != component_indexes_.end()) continue;
      component_indexes_.push_back(index);
      components_.push_back(whole_->components().at(index));
    }
    stages_.push_back(std::move(mine));
  }
}

std::shared_ptr<core::LoadedComponent> PartModel::load_component(std::size_t index, base::DeviceId device,
                                                                 const core::LoadControl& control) const {
  return whole_->load_component(component_indexes_.at(index), device, control);
}

std::optional<std::size_t> PartModel::stage_position(std::size_t whole_stage) const {
  const auto found = std::find(stage_indexes_.begin(), stage_indexes_.end(), whole_stage);
  if (found == stage_indexes_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - stage_indexes_.begin());
}

std::size_t PartModel::component_position(std::size_t whole_component) const {
  const auto found = std::find(component_indexes_.begin(), component_indexes_.end(), whole_component);
  if (found == component_indexes_.end()) {
    throw base::Error(base::ErrorCode::kInternal,
                      fmt::format("the stage does not name component {} of {}", whole_component, type()));
  }
  return static_cast<std::size_t>(found - component_indexes_.begin());
}

StagedAccess::StagedAccess(core::Manager& manager, std::string model_id,
                           std::shared_ptr<const core::Model> model, base::DeviceId device)
    : manager_(manager), model_id_(std::move(model_id)), model_(std::move(model)), device_(device) {}

StagedAccess::StagedAccess(core::Manager& manager, std::string model_id,
                           std::shared_ptr<const PartModel> part, core::Run& run)
    : StagedAccess(manager, std::move(model_id), part->whole(), run.device()) {
  part_ = std::move(part);
  run_ = &run;
}

std::unique_ptr<core::PinnedStage> StagedAccess::pin(std::size_t stage, const core::WorkspaceNeed& need) {
  if (part_) {
    if (const auto position = part_->stage_position(stage)) {
      return std::make_unique<MappedStage>(part_, run_->pin(*position, need));
    }
  }
  const std::string id = stage_id(model_id_, model_->stages().at(stage));
  const auto part = std::make_shared<const PartModel>(model_, std::vector<std::size_t>{stage});
  // Nobody may free it between the load and the lease.
  manager_.load(id, part, device_);
  const Hold hold(manager_, id);
  core::StageWorkspace workspace(manager_.workspace_profile(), *model_, stage, device_, need);
  auto lease = manager_.lease(id, core::kAllStages, workspace.bytes());
  return std::make_unique<MappedStage>(part,
                                       std::make_unique<LeasedStage>(std::move(lease), std::move(workspace)));
}

void unload_with_stages(core::Manager& manager, const std::string& model_id, bool force) {
  const auto mode = force ? core::UnloadMode::kForce : core::UnloadMode::kFree;
  std::vector<std::string> stages;
  for (const auto& model : manager.list()) {
    const std::string_view id = model.id;
    if (id.starts_with(model_id) && id.substr(model_id.size()).starts_with(kMark)) stages.push_back(model.id);
  }
  // Stages alone are what a run in little memory leaves.
  if (stages.empty() || manager.model_status(model_id) != core::ModelStatus::kUnloaded) {
    manager.unload(model_id, mode);
  }
  if (manager.model_status(model_id) == core::ModelStatus::kLoaded) return;  // others hold it
  for (const auto& stage : stages) {
    try {
      manager.unload(stage, mode);
    } catch (const base::Error& error) {
      // Evicted meanwhile; or being loaded by a run, which leaves it idle.
      if (error.code() != base::ErrorCode::kNotFound && error.code() != base::ErrorCode::kFailedPrecondition)
        throw;
    }
  }
}

}  // namespace greenroom::app
