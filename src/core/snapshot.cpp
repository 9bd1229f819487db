#include "core/snapshot.h"

namespace greenroom::core {

std::string_view model_status_name(ModelStatus status) {
  switch (status) {
    case ModelStatus::kUnloaded:
      return "unloaded";
    case ModelStatus::kLoading:
      return "loading";
    case ModelStatus::kLoaded:
      return "loaded";
    case ModelStatus::kUnloading:
      return "unloading";
    case ModelStatus::kError:
      return "error";
  }
  return "error";
}

std::string_view component_state_name(ComponentState state) {
  switch (state) {
    case ComponentState::kLoading:
      return "loading";
    case ComponentState::kResident:
      return "resident";
    case ComponentState::kFreeing:
      return "freeing";
  }
  return "freeing";
}

}  // namespace greenroom::core
