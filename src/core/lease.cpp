#include "core/lease.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "core/manager.h"

namespace greenroom::core {

Lease::Lease(Manager& manager, std::shared_ptr<Composition> composition, std::vector<std::size_t> pinned)
    : manager_(&manager), composition_(std::move(composition)), pinned_(std::move(pinned)) {}

Lease::Lease(Lease&& other) noexcept
    : manager_(std::exchange(other.manager_, nullptr)),
      composition_(std::move(other.composition_)),
      pinned_(std::move(other.pinned_)),
      workspace_(std::move(other.workspace_)) {}

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  release();
  manager_ = std::exchange(other.manager_, nullptr);
  composition_ = std::move(other.composition_);
  pinned_ = std::move(other.pinned_);
  workspace_ = std::move(other.workspace_);
  return *this;
}

Lease::~Lease() {
  release();
}

LoadedComponent& Lease::component(std::size_t index) const {
  if (!std::binary_search(pinned_.begin(), pinned_.end(), index)) {
    throw base::Error(base::ErrorCode::kInternal,
                      fmt::format("component {} was used without being pinned by this lease", index));
  }
  return *composition_->components[index]->loaded;
}

const Model& Lease::model() const {
  return *composition_->model;
}

base::DeviceId Lease::device() const {
  return composition_->device;
}

void Lease::release() {
  if (manager_ == nullptr) return;
  workspace_.release();
  std::exchange(manager_, nullptr)->release(composition_, pinned_);
  composition_.reset();
  pinned_.clear();
}

}  // namespace greenroom::core
