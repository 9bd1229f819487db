// Faster or slower speech at the same pitch.
#pragma once

#include "audio/buffer.h"

namespace greenroom::audio {

inline constexpr double kSlowest = 0.25;
inline constexpr double kFastest = 4.0;

// WSOLA (W. Verhelst, M. Roelands: "An overlap-add technique based on waveform similarity (WSOLA) for high
// quality time-scale modification of speech", ICASSP 1993): windows of 30 ms are taken `speed` times as far
// apart as they are laid down, each moved by up to 10 ms to where it continues the one before best, so that
// periods of the voice stay whole. The result has n / speed samples. A copy where `speed` is 1. Throws
// base::Error(kInvalidArgument) for a speed outside kSlowest..kFastest.
Buffer time_stretch(const Buffer& audio, double speed);

}  // namespace greenroom::audio
