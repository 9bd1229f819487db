// Resampling with libsoxr's "HQ" recipe, what librosa.load does to a recording. A model that was given such
// recordings hears another resampler's output as a slightly different voice.
#pragma once

#include <span>
#include <vector>

namespace greenroom::audio {

// Returns ceil(n * new_rate / old_rate) samples (librosa's fix_length: cut, or padded with zeros); a copy
// when the rates are equal. One thread. REQUIRES: both rates > 0. Throws base::Error(kInternal) when libsoxr
// fails, kInvalidArgument when the rates differ by more than it can do.
std::vector<float> resample_soxr_hq(std::span<const float> samples, int old_rate, int new_rate);

}  // namespace greenroom::audio
