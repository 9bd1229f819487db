// What the manager tells the world: values, and the one door they leave by.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/device_id.h"

namespace greenroom::core {

enum class EventType {
  kLoadStarted,      // a model's load begins; bytes: the sum of its components
  kLoadProgress,     // one component; bytes of total_bytes are read
  kLoadCompleted,    // a model is loaded; bytes: all its components, seconds: how long it took
  kLoadFailed,       // message says why
  kCacheHit,         // load() found the model loaded
  kUnloadCompleted,  // a model is gone and its memory free
  kEvicted,          // an idle component had to make room; bytes: what it gave back
};

// Stable lower-case name, for logs and JSON ("load_started").
std::string_view event_type_name(EventType type);

struct Event {
  EventType type = EventType::kLoadStarted;
  std::uint64_t sequence =
      0;                 // in the order of the manager's decisions; several threads may publish out of order
  std::string model_id;  // empty for an eviction that belongs to no model
  base::DeviceId device;
  std::string component;  // "contentvec (hubert_base.pt)"; empty when the event is about a whole model
  std::uint64_t bytes = 0;
  std::uint64_t total_bytes = 0;
  double seconds = 0;
  std::string message;
};

// Called with no lock held, from the thread that did the thing; may call the manager back. Implementations
// are thread-safe, quick, and do not throw.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void publish(const Event& event) = 0;
};

}  // namespace greenroom::core
