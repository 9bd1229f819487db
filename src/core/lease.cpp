#include "core/lease.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "core/manager.h"

namespace greenroom::core {

Lease::Lease(Lease&& other) noexcept
    : manager_(std::exchange(other.manager_, nullptr)),
      composition_(std::exchange(other.composition_, nullptr)),
      pinned_(std::exchange(other.pinned_, nullptr)),
      workspace_(std::move(other.workspace_)) {}

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  release();
  manager_ = std::exchange(other.manager_, nullptr);
  composition_ = std::exchange(other.composition_, nullptr);
  pinned_ = std::exchange(other.pinned_, nullptr);
  workspace_ = std::move(other.workspace_);
  return *this;
}

LoadedComponent& Lease::component(std::size_t index) const {
  if (pinned_ == nullptr || !std::binary_search(pinned_->begin(), pinned_->end(), index)) {
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
  std::exchange(manager_, nullptr)
      ->release(*std::exchange(composition_, nullptr), *std::exchange(pinned_, nullptr));
}

}  // namespace greenroom::core
