// Kaldi's log-mel filter bank at 16 kHz, and the two forms in which speech encoders take it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace greenroom::audio {

inline constexpr int kSpeechRate = 16000;  // Hz; what every function here takes
inline constexpr std::int64_t kSpeechFrameSamples = 400;
inline constexpr std::int64_t kSpeechHopSamples = 160;
inline constexpr std::int64_t kSpeechMels = 80;

// Whole frames in `samples`: nothing is padded.
std::int64_t speech_frames(std::int64_t samples);

// ln of 80 mel energies per 10 ms, row-major [speech_frames(n), 80]: 25 ms frames, mean removed, pre-emphasis
// 0.97, Povey window, 20 to 8000 Hz, energies no less than 1.1920929e-07. Samples are multiplied by `scale`
// first (1, or 32768 for what counts in 16-bit steps). torchaudio.compliance.kaldi.fbank, computed in double.
std::vector<float> kaldi_fbank(std::span<const float> samples, double scale);

// Subtracts each bin's mean over time. `features` is row-major [frames, 80].
void subtract_mean(std::vector<float>& features);

// What SeamlessM4TFeatureExtractor makes: each bin normalised over time, two frames to a step.
struct SteppedFeatures {
  std::vector<float> values;       // row-major [steps, 160]
  std::vector<std::uint8_t> mask;  // [steps]; 0 where the second frame of the step is padding
  std::int64_t steps() const { return static_cast<std::int64_t>(mask.size()); }
};

// Odd frame counts are padded with a frame of ones after normalisation, as upstream's settings say. Throws
// base::Error(kInvalidArgument) with fewer than two frames (35 ms).
SteppedFeatures seamless_features(std::span<const float> samples);

}  // namespace greenroom::audio
