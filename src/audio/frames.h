// Arithmetic of frames with a fractional hop, exactly as Python and numpy do it.
//
// DDSP-SVC analyses the input at its own rate, so a model frame of `block_size` samples at the model's rate
// is hop = block_size * rate_in / rate_model input samples, a double that is rarely whole. Where it rounds
// decides segment lengths, so the rounding is reproduced, not approximated.
#pragma once

#include <cstdint>
#include <vector>

namespace greenroom::audio {

// Python's float floor division a // b for a >= 0, b > 0; not the same as floor(a / b).
double python_floor_divide(double a, double b);

// Python's round(x): half to even.
std::int64_t python_round(double x);

// int(n_samples // hop) + 1: the number of frames of a recording.
std::int64_t frame_count(std::int64_t n_samples, double hop);

// numpy.interp: piecewise linear through (xp, fp), constant outside. REQUIRES: xp increasing, not empty.
std::vector<double> interpolate(const std::vector<double>& x, const std::vector<double>& xp,
                                const std::vector<double>& fp);

}  // namespace greenroom::audio
