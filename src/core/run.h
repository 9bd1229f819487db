// Run: one inference's way to its components, stage by stage.
#pragma once

#include <memory>

#include "core/lease.h"
#include "core/model.h"

namespace greenroom::core {

// Keeps its model from being freed or evicted from beginning to end, so that an unload (forced or not) waits
// for the whole inference and not just for the stage that happens to be pinned; pins and workspace last one
// stage each. Move-only. Must not outlive its Manager. Not thread-safe; one per inference.
class Run final : public StageAccess {
 public:
  // Throws base::Error: kInvalidArgument (no such stage), kResourceExhausted (the workspace does not fit),
  // kUnavailable (the stage's weights were lost since the run began, see Manager::forget_lost).
  std::unique_ptr<PinnedStage> pin(std::size_t stage, const WorkspaceNeed& need) override;

  const Model& model() const { return whole_.model(); }
  base::DeviceId device() const { return whole_.device(); }

 private:
  friend class Manager;
  Run(Manager& manager, Lease whole);

  Manager* manager_;
  Lease whole_;  // pins no component, only the model's presence
};

}  // namespace greenroom::core
