// Audio files, through libsndfile.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "audio/buffer.h"

namespace greenroom::audio {

struct ReadOptions {
  // What errors call the file, for one whose path means nothing to who gave it; its path when empty.
  std::string called;
  double longest_seconds = 4 * 3600;  // at most this
  // Told before samples take memory how many there will be, by the header where it says so, else as
  // the buffer grows; what it throws ends the reading. May be empty.
  std::function<void(std::int64_t frames, int sample_rate)> will_hold;
};

// Reads any format libsndfile knows and averages the channels to mono, at the file's own rate.
// Throws Error: kNotFound, kUnavailable (no permission), kDataLoss (not an audio file, truncated),
// kInvalidArgument (a folder, no samples at all, a sample that is NaN or infinite (names its position), a
// rate outside 1000..768000 Hz, more than 64 channels, longer than it may be). Memory follows what is in the
// file, not what its header claims. A WAV file cut off within its samples is read as far as it goes:
// recorders that stream write such headers.
Buffer read_file(const std::filesystem::path& path, const ReadOptions& options = {});

// Writes mono audio; the format follows the extension: .wav and .flac (16-bit PCM, clipped to [-1, 1]).
// Throws Error(kInvalidArgument) for another extension, no samples, a sample that is not finite or a rate the
// format cannot hold, kUnavailable when the file cannot be written. Writes to a temporary file in the same
// folder and renames it: a failure leaves no half-written file.
void write_file(const std::filesystem::path& path, const Buffer& audio);

}  // namespace greenroom::audio
