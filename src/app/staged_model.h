// A model whose stages come and go one by one: what a stage needs is loaded when it is pinned and left idle
// afterwards, so that the model runs in less memory than the sum of its parts, and a part that is not needed
// is never read.
//
// To the manager every stage is a model of its own; stages that name the same component share it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/manager.h"
#include "core/model.h"

namespace greenroom::app {

// The id under which the manager knows a stage of a model: "/models/IndexTTS-2#generation".
std::string stage_id(const std::string& model_id, const core::Stage& stage);

// One per inference; not thread-safe. Must not outlive the manager or the model.
class StagedAccess final : public core::StageAccess {
 public:
  StagedAccess(core::Manager& manager, std::string model_id, std::shared_ptr<const core::Model> model,
               base::DeviceId device);

  // Loads what the stage lacks, evicting what is idle when that makes it fit. Throws base::Error as
  // core::Manager::load and lease.
  std::unique_ptr<core::PinnedStage> pin(std::size_t stage, std::uint64_t workspace_bytes) override;

 private:
  core::Manager& manager_;
  std::string model_id_;
  std::shared_ptr<const core::Model> model_;
  base::DeviceId device_;
};

}  // namespace greenroom::app
