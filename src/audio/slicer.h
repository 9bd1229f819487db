// Cuts a long recording at its quietest points, as DDSP-SVC does (map, section 5).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace greenroom::audio {

struct Segment {
  std::int64_t start_frame = 0;   // in model frames of `hop` input samples
  std::int64_t first_sample = 0;  // of the input
  std::int64_t end_sample = 0;    // not included

  bool operator==(const Segment&) const = default;
};

struct SlicerOptions {
  double threshold_db = -40;
  double min_length_ms = 5000;
  double min_interval_ms = 300;
  double hop_ms = 20;
  double max_silence_kept_ms = 5000;
};

// The segments in order; silence is kept (the mask silences it later). May be empty for audio shorter than
// one frame.
std::vector<Segment> slice(std::span<const float> samples, int sample_rate, double hop,
                           const SlicerOptions& options = {});

// The same with no segment longer than `longest_frames`: longer ones are cut into pieces of that length, each
// beginning `overlap_frames` before the end of the one before, to be cross-faded there. REQUIRES: hop > 0,
// 0 <= overlap_frames < longest_frames.
std::vector<Segment> cut_long_segments(const std::vector<Segment>& segments, double hop,
                                       std::int64_t longest_frames, std::int64_t overlap_frames);

}  // namespace greenroom::audio
