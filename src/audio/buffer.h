// Mono samples with their rate: what every part of the project passes around.
#pragma once

#include <vector>

namespace greenroom::audio {

struct Buffer {
  std::vector<float> samples;  // nominal range [-1, 1]
  int sample_rate = 0;         // Hz

  double seconds() const { return sample_rate > 0 ? static_cast<double>(samples.size()) / sample_rate : 0; }
};

}  // namespace greenroom::audio
