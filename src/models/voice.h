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
  int degradation = 0;              // how much less memory it may take, at the cost of quality: see
                                    // ConversionModel::degradations
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

  // The highest ConvertOptions::degradation that still changes something; 0: it cannot do with less.
  virtual int degradations() const { return 0; }
};

// What to say, and how it is to sound.
struct SpeakRequest {
  std::string text;
  audio::Buffer voice;  // a recording of the voice; 3 to 15 s are best, more is not used
  std::optional<audio::Buffer> emotion_audio;  // sounds like this instead of like `voice`
  std::vector<double> emotion_vector;          // empty, or happy, angry, sad, afraid, disgusted, melancholic,
                                               // surprised, calm: 0 to 1.2 each
  bool use_emotion_text = false;  // the emotion of `emotion_text`, or of the text itself when that is
  std::string emotion_text;       // empty
};

// How to say it. Names and defaults are those of the official program and of its users' web page.
struct SpeakOptions {
  double emotion_weight = 0.65;  // of emotion audio or vector, 0..1; the official infer() calls it emo_alpha
  bool emotion_bias = true;      // tame a given vector as the web page does (normalize_emo_vec)
  bool use_random = false;       // any speaker's way of an emotion instead of the most similar one's
  bool do_sample = true;
  int num_beams = 3;  // 1: faster
  double temperature = 0.8;
  double top_p = 0.8;
  int top_k = 30;
  double repetition_penalty = 10;
  double length_penalty = 0;
  bool typical_sampling = false;
  double typical_mass = 0.9;
  int max_mel_tokens = 1500;  // of a segment
  int max_text_tokens_per_segment = 120;
  int quick_streaming_tokens = 0;  // shorter segments until that many tokens are spoken
  int interval_silence_ms = 200;   // between segments
  int diffusion_steps = 25;
  double cfg_rate = 0.7;
  int degradation = 0;     // how much less memory it may take, see SynthesisModel::kDegradations
  std::uint64_t seed = 0;  // same seed, request and thread count: same output
};

struct SpokenSegment {
  std::size_t index = 0;  // of `count`
  std::size_t count = 0;
  const audio::Buffer& audio;  // with the silence that follows, but for the last one
};

struct SpeakControl : RunControl {
  std::function<void(const SpokenSegment&)> on_segment;  // as soon as it is done; may be empty
};

struct SpeakResult {
  audio::Buffer audio;
  std::vector<StageTime>
      stage_times;  // "reference", "emotion_text", "generation", "latents", "flow", "vocoder"
  std::uint64_t peak_workspace_bytes = 0;
  std::vector<std::string> notices;
  std::size_t segments = 0;
  std::size_t text_tokens = 0;
  std::size_t speech_tokens = 0;
  bool voice_was_known = false;  // its features came from the cache
};

// A model that says a text in the voice of a recording. Immutable; thread-safe.
class SynthesisModel : public core::Model {
 public:
  // The highest SpeakOptions::degradation. 1: one segment at a time; 2: with one beam, too.
  static constexpr int kDegradations = 2;

  // Indexes of the stages that every run goes through: what they need is kept while the model is loaded.
  // The others are for a voice, or an emotion, that is not known yet.
  virtual std::vector<std::size_t> resident_stages() const = 0;

  // Throws base::Error: kInvalidArgument (a text without anything to say, too long a text, a recording that
  // is too short, a bad option; the message lists what is possible), kFailedPrecondition (an emotion as text
  // without the emotion model), kResourceExhausted, kCancelled.
  virtual SpeakResult speak(core::StageAccess& access, base::DeviceId device, const SpeakRequest& request,
                            const SpeakOptions& options, const SpeakControl& control) const = 0;
};

}  // namespace greenroom::models
