#include "core/model_hold.h"

#include <utility>

#include "core/manager.h"

namespace greenroom::core {

ModelHold::ModelHold(Manager& manager, std::string model_id, std::uint64_t lineage, bool was_loaded,
                     bool ends_idle)
    : manager_(&manager),
      model_id_(std::move(model_id)),
      lineage_(lineage),
      was_loaded_(was_loaded),
      ends_idle_(ends_idle) {}

ModelHold::ModelHold(ModelHold&& other) noexcept
    : manager_(std::exchange(other.manager_, nullptr)),
      model_id_(std::move(other.model_id_)),
      lineage_(other.lineage_),
      was_loaded_(other.was_loaded_),
      ends_idle_(other.ends_idle_) {}

ModelHold& ModelHold::operator=(ModelHold&& other) noexcept {
  if (this == &other) return *this;
  release(ends_idle_);
  manager_ = std::exchange(other.manager_, nullptr);
  model_id_ = std::move(other.model_id_);
  lineage_ = other.lineage_;
  was_loaded_ = other.was_loaded_;
  ends_idle_ = other.ends_idle_;
  return *this;
}

ModelHold::~ModelHold() {
  release(ends_idle_);
}

bool ModelHold::is_effective() const {
  return manager_ != nullptr && manager_->has_hold(model_id_, lineage_);
}

void ModelHold::leave_idle() {
  release(/*keep=*/true);
}

void ModelHold::release(bool keep) {
  if (manager_ != nullptr) std::exchange(manager_, nullptr)->take_hold(model_id_, lineage_, keep);
}

}  // namespace greenroom::core
