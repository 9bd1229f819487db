// What the manager tells the world: values, and the one door they leave by.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/device_id.h"

namespace greenroom::core {

enum class EventType {
  kPreloadRequested,  // somebody asked for a model ahead of its use
  kLoadStarted,       // a model's load begins; bytes: the sum of its components
  kLoadProgress,      // one component; bytes of total_bytes are read
  kLoadCompleted,     // a model is loaded; bytes: all its components, seconds: how long it took
  kLoadFailed,        // message says why
  kUnloadStarted,     // a model gets no new lease; cause says why
  kUnloadCompleted,   // a model is gone and its memory free
  kCacheHit,          // load() found the model loaded
  kCacheMiss,         // load() found it absent; bytes: what of it has to be brought in
  kAutoCleanup,       // a sweep or a pressure clean-up freed something; bytes: how much, cause: which of them
  kEvicted,           // an idle component had to go; bytes: what it gave back, cause: for whom or what
  kDemoted,           // an evicted component is still in host memory; bytes: of its image there
  kPromoted,          // a component came back from host memory; bytes, seconds
  kMemoryMissing,     // freed bytes that the device does not report as free within the bound; bytes: how many
  kWorkerLost,        // the process that held the weights of a device ended; bytes: how much went with it
  kAlert,             // a threshold was crossed; message says which
  kRecovery,          // one attempt to recover from an error; message says which and how it ended
  kHoldExpired,       // a client's hold was taken off because its time was up or its owner gone
  kTaskPreloaded,     // all required models of a task are loaded; model_id: the task's name
  kTaskCleaned,       // the holds of a task are taken off; model_id: the task's name
};

// Stable lower-case name, for logs and JSON ("load_started").
std::string_view event_type_name(EventType type);

struct Event {
  EventType type = EventType::kLoadStarted;
  std::uint64_t sequence =
      0;  // in the order of the manager's decisions; several threads may publish out of order
  std::chrono::system_clock::time_point time;  // of the decision; no identity: two events may share it
  std::string model_id;                        // empty for an eviction that belongs to no model
  std::string model_type;                      // of that model: "ddsp_svc"; empty when it has none
  base::DeviceId device;
  std::string component;  // "contentvec (hubert_base.pt)"; empty when the event is about a whole model
  std::uint64_t bytes = 0;
  std::uint64_t total_bytes = 0;
  double seconds = 0;
  std::string message;  // of an error
  std::string cause;  // why it was decided: "for loading 'bob', idle 41 s"; empty when somebody asked for it
};

// Called with no lock held, from the thread that did the thing; may call the manager back. Implementations
// are thread-safe, quick, and do not throw.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void publish(const Event& event) = 0;
};

}  // namespace greenroom::core
