// A model whose stages come and go one by one: what a stage needs is loaded when it is pinned and left idle
// afterwards, so that the model runs in less memory than the sum of its parts, and a part that is not needed
// is never read.
//
// To the manager the stages that are kept are one model (/models/IndexTTS-2), and every other stage is a
// model of its own (/models/IndexTTS-2#speech); those that name the same component share it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/manager.h"
#include "core/model.h"

namespace greenroom::app {

// The id under which the manager knows a stage of a model: "/models/IndexTTS-2#speech".
std::string stage_id(const std::string& model_id, const core::Stage& stage);
// The id under which it knows a run that loads nothing but stages: "/models/IndexTTS-2#stages".
std::string stages_id(const std::string& model_id);
// Is it one of these?
bool is_stage_id(std::string_view id);

// Some stages of a model, with the components they name, as a model of its own. Immutable; thread-safe.
class PartModel final : public core::Model {
 public:
  // `stages`: indexes of `whole`'s stages.
  PartModel(std::shared_ptr<const core::Model> whole, const std::vector<std::size_t>& stages);

  std::string type() const override { return whole_->type(); }
  const std::vector<core::ComponentSpec>& components() const override { return components_; }
  const std::vector<core::Stage>& stages() const override { return stages_; }
  std::shared_ptr<core::LoadedComponent> load_component(std::size_t index, base::DeviceId device,
                                                        const core::LoadControl& control) const override;

  const std::shared_ptr<const core::Model>& whole() const { return whole_; }
  // The position of the whole model's stage in this one; nullopt when it is not part of it.
  std::optional<std::size_t> stage_position(std::size_t whole_stage) const;
  // The same of a component. Throws base::Error(kInternal) when it is not part of it.
  std::size_t component_position(std::size_t whole_component) const;

 private:
  std::shared_ptr<const core::Model> whole_;
  std::vector<std::size_t> stage_indexes_;      // of the whole
  std::vector<std::size_t> component_indexes_;  // of the whole
  std::vector<core::ComponentSpec> components_;
  std::vector<core::Stage> stages_;
};

// One per inference; not thread-safe. Must not outlive the manager, the model or the run.
class StagedAccess final : public core::StageAccess {
 public:
  // Every stage by itself.
  StagedAccess(core::Manager& manager, std::string model_id, std::shared_ptr<const core::Model> model,
               base::DeviceId device);
  // The stages that `part`, the model of `run`, has are pinned there; the others by themselves.
  StagedAccess(core::Manager& manager, std::string model_id, std::shared_ptr<const PartModel> part,
               core::Run& run);

  // Loads what the stage lacks, evicting what is idle when that makes it fit. Throws base::Error as
  // core::Manager::load and lease.
  std::unique_ptr<core::PinnedStage> pin(std::size_t stage, const core::WorkspaceNeed& need) override;

 private:
  core::Manager& manager_;
  std::string model_id_;
  std::shared_ptr<const core::Model> model_;
  base::DeviceId device_;
  std::shared_ptr<const PartModel> part_;
  core::Run* run_ = nullptr;
};

// Manager::unload (kForce or kFree) of a model, and with it of the stages that it left idle.
void unload_with_stages(core::Manager& manager, const std::string& model_id, bool force);

}  // namespace greenroom::app
