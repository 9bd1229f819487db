// The stages of a run, each with its components pinned while it needs them (map, section 2; upstream's
// infer_generator).
#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "audio/speech_features.h"
#include "models/index_tts/code_picker.h"
#include "models/index_tts/description.h"
#include "models/index_tts/emotion_matrix.h"
#include "models/index_tts/speech_encoder.h"
#include "models/index_tts/text/byte_bpe.h"
#include "models/index_tts/voice_features.h"
#include "models/voice.h"
#include "nn/noise.h"

namespace greenroom::models::index_tts {

// Measures the time of each stage over all segments.
class StageClock {
 public:
  void add(const std::string& stage, double seconds);
  const std::vector<StageTime>& times() const { return times_; }

 private:
  std::vector<StageTime> times_;
};

// Where a run draws from: seeded in use, recorded in parity tests.
struct Draws {
  nn::NoiseSource& noise;  // "flow", of one segment after the other
  std::function<std::shared_ptr<CodePicker>(std::size_t segment)> make_picker;  // not asked without do_sample
};

// What one segment went through; all on the CPU.
struct SegmentResult {
  std::vector<std::int64_t> text;   // ids
  std::vector<std::int64_t> codes;  // without the stop code
  bool stopped = false;             // false: the length limit ended it
  torch::Tensor latents;            // [1, codes, width]
  torch::Tensor mel;                // [1, mels, frames]
  torch::Tensor audio;              // [1, samples] in [-1, 1]
};

// One inference. Not thread-safe.
class Synthesis {
 public:
  Synthesis(const Description& description, core::StageAccess& access, base::DeviceId device,
            const SpeakOptions& options, const RunControl& control);

  // Four stages, with the reference encoders.
  VoiceFeatures encode_voice(const audio::Buffer& recording, const SpeechScale& scale);
  // Two of them: [1, width].
  torch::Tensor encode_emotion(const audio::Buffer& recording, const SpeechScale& scale);

  // The emotion model's answer.
  std::string ask_emotion(const ByteBpe& tokenizer, const std::string& text);

  // Codes and latents of some segments, side by side.
  void generate(std::vector<SegmentResult*> segments, std::size_t first_index, const VoiceFeatures& voice,
                const torch::Tensor& emotion, Draws& draws);
  void make_mel(SegmentResult& segment, const VoiceFeatures& voice, Draws& draws);
  void make_audio(SegmentResult& segment);

  const StageClock& clock() const { return clock_; }
  // The most activation memory in use at one time in any stage so far.
  std::uint64_t peak_workspace_bytes() const { return peak_workspace_; }
  // Of the whole run: 0..1 of what is between the two is told by the next stage.
  void set_progress(double from, double to);

 private:
  void run_stage(StageIndex stage, const char* name, const core::WorkspaceNeed& need,
                 const std::function<void(core::PinnedStage&)>& body);
  void tell(double fraction) const;
  torch::Tensor encode_speech(core::PinnedStage& stage, const audio::SteppedFeatures& features,
                              const SpeechScale& scale) const;

  const Description& description_;
  core::StageAccess& access_;
  base::DeviceId device_id_;
  torch::Device device_;
  const SpeakOptions& options_;
  const RunControl& control_;
  StageClock clock_;
  std::uint64_t peak_workspace_ = 0;
  double progress_from_ = 0;
  double progress_to_ = 1;
};

}  // namespace greenroom::models::index_tts
