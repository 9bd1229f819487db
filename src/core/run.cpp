#include "core/run.h"

#include <utility>

#include "core/manager.h"

namespace greenroom::core {
namespace {

class LeasedStage final : public PinnedStage {
 public:
  explicit LeasedStage(Lease lease) : lease_(std::move(lease)) {}
  LoadedComponent& component(std::size_t index) override { return lease_.component(index); }

 private:
  Lease lease_;
};

}  // namespace

Run::Run(Manager& manager, Lease whole) : manager_(&manager), whole_(std::move(whole)) {}

std::unique_ptr<PinnedStage> Run::pin(std::size_t stage, std::uint64_t workspace_bytes) {
  return std::make_unique<LeasedStage>(manager_->lease_of(whole_, stage, workspace_bytes));
}

}  // namespace greenroom::core
