// Triangular mel filter banks, librosa's conventions.
#pragma once

#include <vector>

namespace greenroom::audio {

enum class MelScale { kSlaney, kHtk };

// Row-major [n_mels, n_fft / 2 + 1], Slaney-normalised (each filter has unit area in Hz), computed in double
// and rounded to float at the end as librosa does.
std::vector<float> mel_filters(int sample_rate, int n_fft, int n_mels, double min_hz, double max_hz,
                               MelScale scale);

}  // namespace greenroom::audio
