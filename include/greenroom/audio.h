// Mono recordings, in memory and in files.
#pragma once

#include <filesystem>
#include <vector>

namespace greenroom {

struct Audio {
  std::vector<float> samples;  // nominal range [-1, 1]
  int sample_rate = 0;         // Hz

  double seconds() const { return sample_rate > 0 ? static_cast<double>(samples.size()) / sample_rate : 0; }
};

// Reads what libsndfile reads and averages the channels, at the file's own rate (1 kHz to 768 kHz, up to 64
// channels and 4 hours). Throws Error: not_found, unavailable, data_loss, invalid_argument.
Audio read_audio(const std::filesystem::path& path);

// Writes .wav or .flac, 16 bits, clipped to [-1, 1]; all of it or nothing. Throws Error: invalid_argument,
// unavailable.
void write_audio(const std::filesystem::path& path, const Audio& audio);

}  // namespace greenroom
