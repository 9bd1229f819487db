// IndexTTS-2: a text and a recording of a voice in, the text in that voice out.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "greenroom/audio.h"
#include "greenroom/model_manager.h"

namespace greenroom {

// Defaults are those of the official program and of its web page. docs/index_tts.md has more.
struct IndexTtsOptions {
  // How it is to sound; at most one of the three. By default like the recording of the voice.
  std::optional<Audio> emotion_audio;
  std::vector<double> emotion_vector;       // happy, angry, sad, afraid, disgusted, melancholic, surprised,
                                            // calm: 0 to 1.2 each
  std::optional<std::string> emotion_text;  // an empty one: the emotion of the text itself
  double emotion_weight = 0.65;             // of emotion audio or vector, 0 to 1
  bool emotion_bias = true;                 // tame a given vector as the official web page does
  bool use_random = false;  // any speaker's way of an emotion instead of the most similar one's

  bool do_sample = true;
  int num_beams = 3;  // 1: faster
  double temperature = 0.8;
  double top_p = 0.8;
  int top_k = 30;
  double repetition_penalty = 10;
  double length_penalty = 0;
  int max_mel_tokens = 1500;  // of a segment
  int max_text_tokens_per_segment = 120;
  int interval_silence_ms = 200;  // between segments
  int diffusion_steps = 25;
  double cfg_rate = 0.7;
  std::uint64_t seed = 0;  // same seed, text, voice and number of threads: same output

  // Each segment of a long text as soon as it is done, from the thread that calls infer; may be empty.
  std::function<void(const Audio& segment, std::size_t index, std::size_t count)> on_segment;
  std::function<void(double fraction)> progress;  // 0 to 1, from the same thread; may be empty
  std::shared_ptr<const std::atomic<bool>>
      cancelled;  // infer ends at its next step once it is true; may be null
};

struct IndexTtsStageTime {
  std::string stage;  // "reference", "emotion_text", "generation", "latents", "flow", "vocoder"
  double seconds = 0;
};

struct IndexTtsResult {
  Audio audio;  // 22.05 kHz
  std::vector<IndexTtsStageTime> stage_times;
  std::uint64_t peak_workspace_bytes = 0;  // most activation memory in use at one time
  std::vector<std::string> notices;        // what the user should know
  std::size_t segments = 0;
  std::size_t speech_tokens = 0;
  bool voice_was_known = false;  // its features came from the cache
};

// Thread-safe.
class IndexTtsModel : public Model {
 public:
  // `speaker_audio`: 3 to 15 s are best, more is not used. Memory for the run is reserved before each stage;
  // the model stays loaded until it returns, whoever unloads it. Throws Error: invalid_argument (a text
  // without anything to say, too short a recording, a bad option: lists what is possible),
  // failed_precondition (an emotion as text without the emotion model; not loaded), resource_exhausted,
  // cancelled, not_found.
  virtual IndexTtsResult infer(const std::string& text, const Audio& speaker_audio,
                               const IndexTtsOptions& options = {}) = 0;
  // Of a file; throws as read_audio besides.
  IndexTtsResult infer(const std::string& text, const std::filesystem::path& speaker_audio,
                       const IndexTtsOptions& options = {}) {
    return infer(text, read_audio(speaker_audio), options);
  }
};

// get_model() for an IndexTTS-2 model. Null when it is not loaded, or none.
std::shared_ptr<IndexTtsModel> get_index_tts_model(const std::string& model_id);

}  // namespace greenroom
