// Between the public types and the project's own.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "app/engine.h"
#include "base/error.h"
#include "core/event.h"
#include "core/snapshot.h"
#include "greenroom/error.h"
#include "greenroom/lifecycle.h"
#include "greenroom/model_manager.h"

namespace greenroom::api {

ErrorCode to_public(base::ErrorCode code);
ModelStatus to_public(core::ModelStatus status);
LifecycleEvent to_public(core::EventType type);
ModelType model_type_from(const std::string& name);
DeviceMemoryUsage to_public(const app::DeviceStatus& device);
LifecycleEventData to_public(const core::Event& event);
LifecycleEventData to_public(const app::HistoryEntry& entry);
core::TaskProfile from_public(const TaskProfile& profile);
TaskProfile to_public(const core::TaskProfile& profile);

// Runs `act` at the border: what it throws becomes greenroom::Error.
template <typename Act>
decltype(auto) at_border(Act&& act) {
  try {
    return std::forward<Act>(act)();
  } catch (const base::Error& error) {
    throw Error(to_public(error.code()), error.what());
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::resource_exhausted, "the system has no memory left");
  } catch (const std::exception& error) {
    throw Error(ErrorCode::internal, error.what());
  }
}

}  // namespace greenroom::api
