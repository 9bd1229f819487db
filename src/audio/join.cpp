#include "audio/join.h"

#include <algorithm>
#include <cassert>

namespace greenroom::audio {

void append_segment(std::vector<double>& joined, std::span<const float> segment, std::int64_t start) {
  assert(start >= 0);
  const std::size_t first = static_cast<std::size_t>(std::max<std::int64_t>(start, 0));
  if (first > joined.size()) joined.resize(first, 0.0);

  const std::size_t fade = std::min(joined.size() - first, segment.size());
  // A fade of one sample has the ramp {0}, as numpy.linspace(0, 1, 1) does: the older sample stays.
  const double step = fade > 1 ? 1.0 / static_cast<double>(fade - 1) : 0.0;
  for (std::size_t i = 0; i < fade; ++i) {
    const double weight = fade > 1 && i + 1 == fade ? 1.0 : static_cast<double>(i) * step;
    joined[first + i] = (1 - weight) * joined[first + i] + weight * segment[i];
  }
  joined.insert(joined.end(), segment.begin() + static_cast<std::ptrdiff_t>(fade), segment.end());
}

}  // namespace greenroom::audio
