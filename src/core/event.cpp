#include "core/event.h"

namespace greenroom::core {

std::string_view event_type_name(EventType type) {
  switch (type) {
    case EventType::kLoadStarted:
      return "load_started";
    case EventType::kLoadProgress:
      return "load_progress";
    case EventType::kLoadCompleted:
      return "load_completed";
    case EventType::kLoadFailed:
      return "load_failed";
    case EventType::kCacheHit:
      return "cache_hit";
    case EventType::kUnloadCompleted:
      return "unload_completed";
    case EventType::kEvicted:
      return "evicted";
  }
  return "unknown";
}

}  // namespace greenroom::core
