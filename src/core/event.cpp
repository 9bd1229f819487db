#include "core/event.h"

namespace greenroom::core {

std::string_view event_type_name(EventType type) {
  switch (type) {
    case EventType::kPreloadRequested:
      return "preload_requested";
    case EventType::kLoadStarted:
      return "load_started";
    case EventType::kLoadProgress:
      return "load_progress";
    case EventType::kLoadCompleted:
      return "load_completed";
    case EventType::kLoadFailed:
      return "load_failed";
    case EventType::kUnloadStarted:
      return "unload_started";
    case EventType::kUnloadCompleted:
      return "unload_completed";
    case EventType::kCacheHit:
      return "cache_hit";
    case EventType::kCacheMiss:
      return "cache_miss";
    case EventType::kAutoCleanup:
      return "auto_cleanup";
    case EventType::kEvicted:
      return "evicted";
    case EventType::kDemoted:
      return "demoted";
    case EventType::kPromoted:
      return "promoted";
    case EventType::kMemoryMissing:
      return "memory_missing";
    case EventType::kWorkerLost:
      return "worker_lost";
    case EventType::kAlert:
      return "alert";
    case EventType::kRecovery:
      return "recovery";
    case EventType::kHoldExpired:
      return "hold_expired";
    case EventType::kTaskPreloaded:
      return "task_preloaded";
    case EventType::kTaskCleaned:
      return "task_cleaned";
  }
  return "unknown";
}

}  // namespace greenroom::core
