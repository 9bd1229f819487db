#include "app/staged_model.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace greenroom::app {
namespace {

// One stage of a model, with the stage's components alone.
class StageModel final : public core::Model {
 public:
  StageModel(std::shared_ptr<const core::Model> whole, std::size_t stage)
      : whole_(std::move(whole)), indexes_(whole_->stages().at(stage).components) {
    core::Stage all{whole_->stages()[stage].name, {}};
    for (const std::size_t index : indexes_) {
      all.components.push_back(components_.size());
      components_.push_back(whole_->components().at(index));
    }
    stages_.push_back(std::move(all));
  }

  std::string type() const override { return whole_->type(); }
  const std::vector<core::ComponentSpec>& components() const override { return components_; }
  const std::vector<core::Stage>& stages() const override { return stages_; }
  std::shared_ptr<core::LoadedComponent> load_component(std::size_t index, base::DeviceId device,
                                                        const core::LoadControl& control) const override {
    return whole_->load_component(indexes_.at(index), device, control);
  }

  // The position of the whole model's component `index` in this one.
  std::size_t position(std::size_t index) const {
    const auto found = std::find(indexes_.begin(), indexes_.end(), index);
    if (found == indexes_.end()) {
      throw base::Error(base::ErrorCode::kInternal,
                        fmt::format("the stage {} does not name component {}", stages_.front().name, index));
    }
    return static_cast<std::size_t>(found - indexes_.begin());
  }

 private:
  std::shared_ptr<const core::Model> whole_;
  std::vector<std::size_t> indexes_;
  std::vector<core::ComponentSpec> components_;
  std::vector<core::Stage> stages_;
};

class LeasedStage final : public core::PinnedStage {
 public:
  LeasedStage(std::shared_ptr<const StageModel> model, core::Lease lease)
      : model_(std::move(model)), lease_(std::move(lease)) {}
  core::LoadedComponent& component(std::size_t index) override {
    return lease_.component(model_->position(index));
  }

 private:
  std::shared_ptr<const StageModel> model_;
  core::Lease lease_;
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
  return fmt::format("{}#{}", model_id, stage.name);
}

StagedAccess::StagedAccess(core::Manager& manager, std::string model_id,
                           std::shared_ptr<const core::Model> model, base::DeviceId device)
    : manager_(manager), model_id_(std::move(model_id)), model_(std::move(model)), device_(device) {}

std::unique_ptr<core::PinnedStage> StagedAccess::pin(std::size_t stage, std::uint64_t workspace_bytes) {
  const std::string id = stage_id(model_id_, model_->stages().at(stage));
  const auto part = std::make_shared<const StageModel>(model_, stage);
  manager_.load(id, part, device_);
  const Hold hold(manager_, id);
  return std::make_unique<LeasedStage>(part, manager_.lease(id, core::kAllStages, workspace_bytes));
}

}  // namespace greenroom::app
