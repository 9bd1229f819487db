#include "core/run.h"

#include <utility>

#include "core/manager.h"

namespace greenroom::core {
namespace {

class LeasedStage final : public PinnedStage {
 public:
  LeasedStage(Lease lease, StageWorkspace workspace)
      : lease_(std::move(lease)), workspace_(std::move(workspace)) {}
  LoadedComponent& component(std::size_t index) override { return lease_.component(index); }
  void measured(std::uint64_t peak_bytes) override { workspace_.measured(peak_bytes); }

 private:
  Lease lease_;
  StageWorkspace workspace_;
};

}  // namespace

Run::Run(Manager& manager, Lease whole) : manager_(&manager), whole_(std::move(whole)) {}

std::unique_ptr<PinnedStage> Run::pin(std::size_t stage, const WorkspaceNeed& need) {
  StageWorkspace workspace(manager_->workspace_profile(), model(), stage, device(), need);
  Lease lease = manager_->lease_of(whole_, stage, workspace.bytes());
  return std::make_unique<LeasedStage>(std::move(lease), std::move(workspace));
}

}  // namespace greenroom::core
