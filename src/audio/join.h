// Puts converted segments back together (map, section 3, step 10).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace greenroom::audio {

// Places `segment` at sample `start` of `joined`: fills a gap with silence, cross-fades an overlap linearly
// (ramp 0..1, both ends included). Keeps double precision.
// REQUIRES: start >= 0; the overlap is not longer than the segment (else it is cut to the segment).
void append_segment(std::vector<double>& joined, std::span<const float> segment, std::int64_t start);

}  // namespace greenroom::audio
