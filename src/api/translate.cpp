#include "api/translate.h"

#include <chrono>
#include <optional>

namespace greenroom {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::data_loss:
      return "data_loss";
    case ErrorCode::resource_exhausted:
      return "resource_exhausted";
    case ErrorCode::failed_precondition:
      return "failed_precondition";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::unimplemented:
      return "unimplemented";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

std::string_view model_type_name(ModelType type) {
  return type == ModelType::index_tts ? "index_tts" : "ddsp_svc";
}

std::string_view model_status_name(ModelStatus status) {
  switch (status) {
    case ModelStatus::unloaded:
      return "unloaded";
    case ModelStatus::loading:
      return "loading";
    case ModelStatus::loaded:
      return "loaded";
    case ModelStatus::unloading:
      return "unloading";
    case ModelStatus::error:
      return "error";
  }
  return "error";
}

std::string_view lifecycle_event_name(LifecycleEvent event) {
  return core::event_type_name(static_cast<core::EventType>(event));
}

namespace api {
namespace {

// Both lists have the same order; a new event of the manager's has to be told here.
static_assert(static_cast<int>(core::EventType::kTaskCleaned) ==
              static_cast<int>(LifecycleEvent::task_cleaned));
static_assert(static_cast<int>(core::EventType::kEvicted) == static_cast<int>(LifecycleEvent::evicted));
static_assert(static_cast<int>(core::EventType::kCacheMiss) == static_cast<int>(LifecycleEvent::cache_miss));
static_assert(static_cast<int>(core::EventType::kMemoryMissing) ==
              static_cast<int>(LifecycleEvent::memory_missing));

LifecycleEvent event_named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(LifecycleEvent::task_cleaned); ++i) {
    if (lifecycle_event_name(static_cast<LifecycleEvent>(i)) == name) return static_cast<LifecycleEvent>(i);
  }
  throw base::Error(base::ErrorCode::kDataLoss, "the history has an event of unknown type \"" + name + "\"");
}

std::vector<core::PreloadConfig> from_public(const std::vector<PreloadConfig>& models) {
  std::vector<core::PreloadConfig> result;
  result.reserve(models.size());
  for (const auto& model : models) {
    result.push_back(
        {std::string(model_type_name(model.model_type)), model.model_path, model.device, model.priority});
  }
  return result;
}

std::vector<PreloadConfig> to_public(const std::vector<core::PreloadConfig>& models) {
  std::vector<PreloadConfig> result;
  result.reserve(models.size());
  for (const auto& model : models) {
    result.push_back({model_type_from(model.model_type), model.model_path, model.device, model.priority});
  }
  return result;
}

}  // namespace

ErrorCode to_public(base::ErrorCode code) {
  switch (code) {
    case base::ErrorCode::kInvalidArgument:
      return ErrorCode::invalid_argument;
    case base::ErrorCode::kNotFound:
      return ErrorCode::not_found;
    case base::ErrorCode::kDataLoss:
      return ErrorCode::data_loss;
    case base::ErrorCode::kResourceExhausted:
      return ErrorCode::resource_exhausted;
    case base::ErrorCode::kFailedPrecondition:
      return ErrorCode::failed_precondition;
    case base::ErrorCode::kUnavailable:
      return ErrorCode::unavailable;
    case base::ErrorCode::kCancelled:
      return ErrorCode::cancelled;
    case base::ErrorCode::kUnimplemented:
      return ErrorCode::unimplemented;
    case base::ErrorCode::kInternal:
      return ErrorCode::internal;
  }
  return ErrorCode::internal;
}

ModelStatus to_public(core::ModelStatus status) {
  switch (status) {
    case core::ModelStatus::kUnloaded:
      return ModelStatus::unloaded;
    case core::ModelStatus::kLoading:
      return ModelStatus::loading;
    case core::ModelStatus::kLoaded:
      return ModelStatus::loaded;
    case core::ModelStatus::kUnloading:
      return ModelStatus::unloading;
    case core::ModelStatus::kError:
      return ModelStatus::error;
  }
  return ModelStatus::error;
}

LifecycleEvent to_public(core::EventType type) {
  return static_cast<LifecycleEvent>(type);
}

ModelType model_type_from(const std::string& name) {
  return name == "index_tts" ? ModelType::index_tts : ModelType::ddsp_svc;
}

DeviceMemoryUsage to_public(const app::DeviceStatus& device) {
  return {.device = base::to_string(device.id),
          .name = device.name,
          .total_bytes = device.memory.total,
          .free_bytes = device.memory.free,
          .budget_bytes = device.ledger.capacity,
          .reserved_bytes = device.ledger.reserved,
          .models_bytes = device.ledger.resident,
          .workspace_bytes = device.ledger.workspace,
          .problem = device.problem};
}

LifecycleEventData to_public(const core::Event& event) {
  return {.event = to_public(event.type),
          .model_id = event.model_id,
          .model_type = event.model_type,
          .device = base::to_string(event.device),
          .component = event.component,
          .timestamp = std::chrono::duration<double>(event.time.time_since_epoch()).count(),
          .bytes = event.bytes,
          .total_bytes = event.total_bytes,
          .duration = event.seconds,
          .error_message = event.message,
          .cause = event.cause};
}

LifecycleEventData to_public(const app::HistoryEntry& entry) {
  constexpr double kMillisecondsPerSecond = 1000;
  return {.id = entry.id,
          .event = event_named(entry.type),
          .model_id = entry.model_id,
          .model_type = entry.model_type,
          .device = entry.device,
          .component = entry.component,
          .timestamp = static_cast<double>(entry.time_ms) / kMillisecondsPerSecond,
          .bytes = entry.bytes,
          .duration = entry.seconds,
          .error_message = entry.message,
          .cause = entry.cause};
}

core::TaskProfile from_public(const TaskProfile& profile) {
  return {.task_name = profile.task_name,
          .required_models = from_public(profile.required_models),
          .optional_models = from_public(profile.optional_models),
          .memory_limit_mb = profile.memory_limit_mb,
          .auto_cleanup = profile.auto_cleanup};
}

TaskProfile to_public(const core::TaskProfile& profile) {
  return {.task_name = profile.task_name,
          .required_models = to_public(profile.required_models),
          .optional_models = to_public(profile.optional_models),
          .memory_limit_mb = profile.memory_limit_mb,
          .auto_cleanup = profile.auto_cleanup};
}

}  // namespace api
}  // namespace greenroom
