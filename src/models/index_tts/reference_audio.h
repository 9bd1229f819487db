// What the networks are given of a reference recording. No torch here.
#pragma once

#include <cstdint>
#include <vector>

#include "audio/buffer.h"
#include "audio/speech_features.h"

namespace greenroom::models::index_tts {

inline constexpr int kOutputRate = 22050;          // Hz, of the mel frames and of what is synthesised
inline constexpr double kReferenceSeconds = 15;    // the rest of a longer recording is not used
inline constexpr double kShortestReference = 0.1;  // seconds
inline constexpr std::int64_t kReferenceMels = 80;

struct SpeakerAudio {
  audio::SteppedFeatures speech;  // for the speech encoder
  std::vector<float> fbank;       // [frames, 80], means subtracted, for the speaker encoder
  std::vector<float> mel;         // [80, mel_frames], for the flow
  std::int64_t fbank_frames = 0;
  std::int64_t mel_frames = 0;
  double seconds = 0;  // that were used
};

// infer_v2.py, steps 1a to 1g: soxr to 22050 Hz, cut to 15 s, and from there torchaudio's sinc to 16 kHz.
// Throws base::Error(kInvalidArgument) for a recording under 0.1 s or with samples that are no numbers.
SpeakerAudio prepare_speaker(const audio::Buffer& recording);

// Step 3: soxr straight to 16 kHz, cut to 15 s. Not the same as prepare_speaker().speech of the same
// recording. Throws as above.
audio::SteppedFeatures prepare_emotion(const audio::Buffer& recording);

}  // namespace greenroom::models::index_tts
