// DDSP-SVC voices: one recording in, the same in another voice out.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "greenroom/audio.h"
#include "greenroom/model_manager.h"

namespace greenroom {

enum class OdeMethod { euler, rk4 };

// Defaults are those of the official program. docs/ddsp_svc.md has the ranges.
struct DdspSvcOptions {
  std::vector<std::pair<int, double>>
      speaker_mix;  // (speaker, weight); replaces the speaker id when not empty
  double key_semitones = 0;
  double formant_semitones = 0;
  double vocal_register_semitones = 0;  // 6.3 voices with a pitch-controllable vocoder
  std::string f0_extractor = "rmvpe";
  double f0_min_hz = 50;
  double threshold_db = -60;        // quieter frames come out silent
  std::optional<int> steps;         // of the flow; the model's own number when absent
  std::optional<OdeMethod> method;  // the model's own when absent
  std::optional<double> t_start;    // 0 to 1; the model's own when absent
  std::uint64_t seed = 0;           // same seed, input and number of threads: same output

  std::function<void(double fraction)> progress;  // 0 to 1, from the thread that calls infer; may be empty
  std::shared_ptr<const std::atomic<bool>>
      cancelled;  // infer ends at its next step once it is true; may be null
};

struct StageTime {
  std::string stage;  // "pitch", "units", "control", "flow", "vocoder"
  double seconds = 0;
};

struct DdspSvcResult {
  Audio audio;  // at the voice's own rate
  std::vector<StageTime> stage_times;
  std::uint64_t peak_workspace_bytes = 0;  // most activation memory in use at one time
  std::vector<std::string> notices;        // what the user should know ("formant shift ignored: ...")
};

// Thread-safe.
class DdspSvcModel : public Model {
 public:
  // `speaker_id` counts from 1. Memory for the run is reserved before each stage; the model stays loaded
  // until it returns, whoever unloads it. Throws Error: invalid_argument (lists what is possible),
  // resource_exhausted, cancelled, not_found and failed_precondition (not loaded).
  virtual DdspSvcResult infer(const Audio& audio, int speaker_id = 1, const DdspSvcOptions& options = {}) = 0;
  // Of a file; throws as read_audio besides.
  DdspSvcResult infer(const std::filesystem::path& audio_file, int speaker_id = 1,
                      const DdspSvcOptions& options = {}) {
    return infer(read_audio(audio_file), speaker_id, options);
  }
};

// get_model() for a voice. Null when it is not loaded, or no DDSP-SVC voice.
std::shared_ptr<DdspSvcModel> get_ddsp_model(const std::string& model_id);

}  // namespace greenroom
