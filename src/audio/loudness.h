// Volume and silence mask of DDSP-SVC, both generations (map, section 4).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace greenroom::audio {

// Generation A (models up to 6.1): RMS of each hop-wide frame of the squared, reflect-padded signal.
// Returns frame_count(n, hop) values.
std::vector<float> volume_rms(std::span<const float> samples, double hop);

// Generation B (6.2 and later): standard deviation over a `window`-wide frame of the reflect-padded signal.
std::vector<float> volume_deviation(std::span<const float> samples, double hop, double window);

// 1 where volume > 10^(threshold_db/20), else 0. With `dilate_frames` > 0 (generation A: 4) each loud frame
// spreads to that many neighbours on both sides.
std::vector<double> loudness_mask(const std::vector<float>& volume, double threshold_db, int dilate_frames);

// Linear upsampling of a frame signal to block_size samples per frame; the last frame's value is held.
std::vector<float> upsample_frames(const std::vector<double>& frames, int block_size);

}  // namespace greenroom::audio
