// What happens to a pitch track after the network: re-gridding to model frames and filling of unvoiced
// stretches (map, sections 9 and 9.1).
#pragma once

#include <cstdint>
#include <vector>

namespace greenroom::audio {

// From a track every 10 ms (0 = unvoiced) to `n_frames` frames of hop / sample_rate seconds. Zeros are
// interpolated inside the 10 ms grid first; a frame is unvoiced (0) where the interpolated voicing flag says
// so. Returns Hz.
std::vector<double> regrid_pitch(const std::vector<float>& track, double track_step_seconds, double hop,
                                 int sample_rate, std::int64_t n_frames);

// Fills unvoiced frames by linear interpolation over the frame index (constant at both ends), then raises
// values below min_hz to it. All unvoiced gives min_hz everywhere.
void fill_unvoiced(std::vector<double>& f0, double min_hz);

// Only the second half of fill_unvoiced.
void raise_to_minimum(std::vector<double>& f0, double min_hz);

}  // namespace greenroom::audio
