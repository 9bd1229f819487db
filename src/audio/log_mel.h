// The log-mel spectrogram that HiFi-GAN and its descendants are trained on, on the CPU and without libtorch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace greenroom::audio {

struct LogMelSettings {
  int sample_rate = 22050;  // Hz
  int n_fft = 1024;         // a power of two; the window is as long
  int hop = 256;            // samples
  int mels = 80;
  double min_hz = 0;
  double max_hz = 11025;
};

// How many frames log_mel makes of that many samples.
std::int64_t log_mel_frames(std::int64_t samples, const LogMelSettings& settings);

// Row-major [mels, frames]: the ends mirrored by (n_fft - hop) / 2, periodic Hann window, magnitude
// sqrt(re^2 + im^2 + 1e-9), Slaney's mel scale and norm, ln of no less than 1e-5. IndexTTS
// s2mel/modules/audio.py: mel_spectrogram(). Throws base::Error(kInvalidArgument) when the recording is too
// short to be mirrored.
std::vector<float> log_mel(std::span<const float> samples, const LogMelSettings& settings);

}  // namespace greenroom::audio
