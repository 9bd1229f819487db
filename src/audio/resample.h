// Windowed-sinc resampling with the exact filter torchaudio uses (map, section 11): models were trained on
// what it produces, so a better filter would be a different input.
#pragma once

#include <span>
#include <vector>

namespace greenroom::audio {

// Returns ceil(new_rate * n / old_rate) samples; a copy when the rates are equal. Filter: 2 *
// lowpass_filter_width zero crossings, roll-off 0.99, squared-cosine window, computed in double and applied
// in float. Long recordings are shared out to the machine's cores (10 minutes take about a second); the
// result does not depend on their number. REQUIRES: both rates > 0.
std::vector<float> resample_sinc(std::span<const float> samples, int old_rate, int new_rate,
                                 int lowpass_filter_width = 128);

}  // namespace greenroom::audio
