// A recorded or made-up day of a manager's life, to be replayed by the simulator. The format is in
// docs/simulate.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/device_id.h"

namespace greenroom::core {

struct TraceModel {
  std::string name;
  std::vector<std::pair<std::string, std::uint64_t>> components;  // name, bytes; one name is one component
};

// What happens at some time.
struct TraceRequest {
  std::size_t model = 0;  // index into Trace::models
  std::chrono::nanoseconds run{0};
  std::uint64_t workspace_bytes = 0;
};
struct TraceForeign {
  base::DeviceId device;
  std::uint64_t bytes = 0;
};
struct TraceFragmented {
  base::DeviceId device;
  std::uint64_t bytes = 0;
};
struct TraceLeak {
  base::DeviceId device;
  int frees = 0;
};
struct TraceFail {
  int loads = 0;  // the next so many reads of components fail
};
struct TraceUnload {
  std::size_t model = 0;
};
struct TracePin {
  std::size_t model = 0;
  bool pin = false;
};

struct TraceEvent {
  std::chrono::nanoseconds at{0};
  std::variant<TraceRequest, TraceForeign, TraceFragmented, TraceLeak, TraceFail, TraceUnload, TracePin> what;
};

struct Trace {
  std::vector<TraceModel> models;
  std::vector<TraceEvent> events;  // in the order of time
};

// Throws base::Error(kInvalidArgument): "line 12: …".
Trace read_trace(std::istream& input);
void write_trace(const Trace& trace, std::ostream& output);

enum class TraceShape {
  kZipf,      // a few voices are wanted often, most rarely
  kDayNight,  // one set of voices by day, another by night
  kScan,      // a popular few, and now and then somebody tries all the others in turn
};
// "zipf", "day-night", "scan".
std::string_view trace_shape_name(TraceShape shape);

struct TraceRecipe {
  TraceShape shape = TraceShape::kZipf;
  std::size_t voices = 200;
  std::size_t requests = 10000;
  std::uint64_t seed = 1;
  std::uint64_t shared_bytes = 800ull << 20;  // of encoder, pitch network and vocoder, common to all voices
  std::uint64_t voice_bytes = 200ull << 20;   // of the median voice; they range from half to twice that
  std::uint64_t workspace_bytes = 64ull << 20;
  double seconds_between = 2;  // requests, on average
  double run_seconds = 1;
};

// Same recipe, same trace.
Trace make_trace(const TraceRecipe& recipe);

}  // namespace greenroom::core
