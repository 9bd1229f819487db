// Lease: components of a loaded model, pinned for as long as the object lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/device_id.h"
#include "core/ledger.h"
#include "core/model.h"

namespace greenroom::core {

class Manager;
struct Composition;

// For Manager::lease: every component of the model.
inline constexpr std::size_t kAllStages = static_cast<std::size_t>(-1);

// Pins the components of one stage, or of a whole model: nothing pinned is evicted or freed. Carries the
// run's workspace bytes too. The destructor lets both go, and frees what was only waiting for it (a forced
// unload). Move-only. Must not outlive its Manager. Not thread-safe; its components are shared with other
// leases.
class Lease {
 public:
  Lease() = default;  // pins nothing
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&& other) noexcept;
  ~Lease() {
    if (manager_ != nullptr) release();
  }

  // Weights of component `index` (an index into Model::components()); valid while the lease lives.
  // Throws base::Error(kInternal) when the lease does not pin that component: the model's stage forgot to
  // name it.
  LoadedComponent& component(std::size_t index) const;

  // REQUIRES: not moved from.
  const Model& model() const;
  base::DeviceId device() const;

  std::uint64_t workspace_bytes() const { return workspace_.bytes(); }

 private:
  friend class Manager;
  // `pinned`: sorted, each once; the composition's, or with static lifetime.
  Lease(Manager& manager, Composition& composition, const std::vector<std::size_t>& pinned)
      : manager_(&manager), composition_(&composition), pinned_(&pinned) {}
  void release();

  Manager* manager_ = nullptr;          // null once moved from
  Composition* composition_ = nullptr;  // stays for as long as it is leased
  const std::vector<std::size_t>* pinned_ = nullptr;
  Reservation workspace_;
};

}  // namespace greenroom::core
