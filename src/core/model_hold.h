// ModelHold: a hold on a model that has an owner and cannot be taken off by anybody else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/device_id.h"
#include "core/model.h"

namespace greenroom::core {

class Manager;

// A model to be loaded, and where.
struct GroupMember {
  std::string id;
  std::shared_ptr<const Model> model;
  base::DeviceId device;
};

// The destructor takes the hold off; with the last hold the model goes (or stays idle: leave_idle(), and
// holds of Manager::hold_loaded). A Manager::unload() without force never takes it. After a forced unload it
// holds nothing any more, whatever was loaded under the same id since. Move-only. Must not outlive its
// Manager. Not thread-safe.
class ModelHold {
 public:
  ModelHold() = default;  // holds nothing
  ModelHold(ModelHold&& other) noexcept;
  ModelHold& operator=(ModelHold&& other) noexcept;
  ~ModelHold();

  const std::string& model_id() const { return model_id_; }
  // False once a forced unload took it off.
  bool is_effective() const;

  // Takes it off; with the last hold the model stays, idle: ready, but first to be evicted.
  void leave_idle();

 private:
  friend class Manager;
  ModelHold(Manager& manager, std::string model_id, std::uint64_t lineage, bool was_loaded,
            bool ends_idle = false);
  void release(bool keep);

  Manager* manager_ = nullptr;  // null once moved from or released
  std::string model_id_;
  std::uint64_t lineage_ = 0;
  bool was_loaded_ = false;  // before the hold was put on
  bool ends_idle_ = false;
};

}  // namespace greenroom::core
