// What a user asks of a voice model and gets back. No torch here: the CLI and the server include this too.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audio/buffer.h"
#include "base/device_id.h"
#include "core/model.h"

namespace greenroom::models {

enum class OdeMethod { kEuler, kRk4 };

// How to convert. Defaults are those of the official program.
struct ConvertOptions {
  int speaker = 1;                                  // 1-based, as upstream counts
  std::vector<std::pair<int, double>> speaker_mix;  // (speaker, weight); replaces `speaker` when not empty
  double key_semitones = 0;
  double formant_semitones = 0;         // trained for -5..5
  double vocal_register_semitones = 0;  // models with a pitch-controllable vocoder only
  std::string f0_extractor = "rmvpe";
  double f0_min_hz = 50;
  double threshold_db = -60;        // quieter frames come out silent
  std::optional<int> steps;         // of the flow; the model's own number when absent
  std::optional<OdeMethod> method;  // the model's own when absent
  std::optional<double> t_start;    // 0..1; raised to what the model was trained for
  std::uint64_t seed = 0;           // same seed, input and thread count: same output
};

struct StageTime {
  std::string stage;  // "pitch", "units", "control", "flow", "vocoder"
  double seconds = 0;
};

struct ConvertResult {
  audio::Buffer audio;
  std::vector<StageTime> stage_times;
  std::uint64_t peak_workspace_bytes = 0;  // most activation memory in use at one time
  std::vector<std::string> notices;        // what the user should know ("vocal register ignored: ...")
};

// How a run tells about itself and learns that it is no longer wanted. Both may be empty.
struct RunControl {
  std::function<void(double fraction)> progress;  // 0..1, called from the running thread
  std::shared_ptr<const std::atomic<bool>> cancelled;
};

// A model that turns one recording into another voice. Immutable; thread-safe.
class ConversionModel : public core::Model {
 public:
  // Throws base::Error: kInvalidArgument (unknown speaker, bad option; the message lists what is possible),
  // kResourceExhausted, kCancelled.
  virtual ConvertResult convert(core::StageAccess& access, base::DeviceId device, const audio::Buffer& input,
                                const ConvertOptions& options, const RunControl& control) const = 0;
};

}  // namespace greenroom::models
