#include "audio/slicer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

#include "audio/frames.h"

namespace greenroom::audio {
namespace {

// SlicerOptions in samples (hop, window) and analysis frames (the rest).
struct Scale {
  std::int64_t hop = 1;
  std::int64_t window = 1;
  std::int64_t min_length = 0;
  std::int64_t min_interval = 0;
  std::int64_t max_silence = 0;
};

// Where a silence is cut, in analysis frames: the audio between the two is a segment of its own; equal bounds
// are a plain cut.
struct Cut {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

Scale scale_for(const SlicerOptions& options, int sample_rate) {
  const auto samples_in = [&](double ms) { return sample_rate * ms / 1000; };
  Scale scale;
  scale.hop = std::max<std::int64_t>(1, python_round(samples_in(options.hop_ms)));
  const double hop = static_cast<double>(scale.hop);
  const double interval = samples_in(options.min_interval_ms);
  scale.window = std::max<std::int64_t>(1, std::min(python_round(interval), 4 * scale.hop));
  scale.min_length = python_round(samples_in(options.min_length_ms) / hop);
  scale.min_interval = python_round(interval / hop);
  scale.max_silence = python_round(samples_in(options.max_silence_kept_ms) / hop);
  return scale;
}

// RMS of frames centred on multiples of the hop, silence outside the recording. Each frame is summed on its
// own: exact zeros must stay zeros, because the first of equal minima decides where the cut goes.
std::vector<float> frame_rms(std::span<const float> samples, const Scale& scale) {
  const std::int64_t n = static_cast<std::int64_t>(samples.size());
  const std::int64_t half = scale.window / 2;
  const std::int64_t room = n + 2 * half - scale.window;
  std::vector<float> rms;
  for (std::int64_t first = -half; first + half <= room; first += scale.hop) {
    double sum = 0;
    const std::int64_t end = std::min(n, first + scale.window);
    for (std::int64_t i = std::max<std::int64_t>(first, 0); i < end; ++i) {
      const float sample = samples[static_cast<std::size_t>(i)];
      sum += static_cast<double>(sample * sample);
    }
    rms.push_back(static_cast<float>(std::sqrt(sum / static_cast<double>(scale.window))));
  }
  return rms;
}

// The first quietest frame of [first, last], both included.
std::int64_t quietest(const std::vector<float>& rms, std::int64_t first, std::int64_t last) {
  const auto begin = rms.begin() + first;
  const auto end = rms.begin() + std::min<std::int64_t>(last + 1, static_cast<std::int64_t>(rms.size()));
  return std::min_element(begin, end) - rms.begin();
}

// Cuts the silence [start, next), `next` being the first loud frame after it.
Cut cut_silence(const std::vector<float>& rms, const Scale& scale, std::int64_t start, std::int64_t next) {
  const std::int64_t kept = scale.max_silence;
  const bool leading = start == 0;
  if (next - start <= kept) {
    const std::int64_t pos = quietest(rms, start, next);
    return {leading ? 0 : pos, pos};
  }
  const std::int64_t left = quietest(rms, start, start + kept);
  const std::int64_t right = quietest(rms, next - kept, next);
  if (leading) return {0, right};
  if (next - start <= 2 * kept) {
    const std::int64_t pos = quietest(rms, next - kept, start + kept);
    return {std::min(left, pos), std::max(right, pos)};
  }
  return {left, right};
}

std::vector<Cut> find_cuts(const std::vector<float>& rms, const Scale& scale, double threshold) {
  std::vector<Cut> cuts;
  std::optional<std::int64_t> silence_start;
  std::int64_t clip_start = 0;
  const std::int64_t total = static_cast<std::int64_t>(rms.size());
  for (std::int64_t i = 0; i < total; ++i) {
    if (rms[static_cast<std::size_t>(i)] < threshold) {
      if (!silence_start) silence_start = i;
      continue;
    }
    if (!silence_start) continue;
    const std::int64_t start = *silence_start;
    silence_start.reset();
    const bool leading = start == 0 && i > scale.max_silence;
    const bool middle = i - start >= scale.min_interval && i - clip_start >= scale.min_length;
    if (!leading && !middle) continue;
    cuts.push_back(cut_silence(rms, scale, start, i));
    clip_start = cuts.back().end;
  }
  if (silence_start && total - *silence_start >= scale.min_interval) {
    const std::int64_t end = std::min(total, *silence_start + scale.max_silence);
    cuts.push_back({quietest(rms, *silence_start, end), total + 1});
  }
  return cuts;
}

// Bounds in samples of everything between and inside the cuts, in order. Some are empty.
std::vector<Cut> chunk_bounds(const std::vector<Cut>& cuts, const Scale& scale, std::int64_t n_samples) {
  if (cuts.empty()) return {{0, n_samples}};
  std::vector<Cut> chunks;
  std::int64_t done = 0;
  for (const Cut& cut : cuts) {
    const std::int64_t begin = cut.begin * scale.hop;
    const std::int64_t end = cut.end * scale.hop;
    chunks.push_back({done, std::min(n_samples, begin)});
    chunks.push_back({begin, std::min(n_samples, end)});
    done = end;
  }
  if (done < n_samples) chunks.push_back({done, n_samples});
  return chunks;
}

}  // namespace

std::vector<Segment> slice(std::span<const float> samples, int sample_rate, double hop,
                           const SlicerOptions& options) {
  const std::int64_t n = static_cast<std::int64_t>(samples.size());
  const Scale scale = scale_for(options, sample_rate);
  std::vector<Cut> chunks = {{0, n}};
  // The reference compares samples with frames here; it only means that the shortest recordings stay whole.
  if (n > scale.min_length) {
    const double threshold = std::pow(10.0, options.threshold_db / 20);
    chunks = chunk_bounds(find_cuts(frame_rms(samples, scale), scale, threshold), scale, n);
  }

  std::vector<Segment> segments;
  for (const Cut& chunk : chunks) {
    const double start_frame = python_floor_divide(static_cast<double>(chunk.begin), hop);
    const double end_frame = python_floor_divide(static_cast<double>(chunk.end), hop);
    if (end_frame <= start_frame) continue;
    Segment segment;
    segment.start_frame = static_cast<std::int64_t>(start_frame);
    segment.first_sample = std::min(n, static_cast<std::int64_t>(start_frame * hop));
    segment.end_sample = std::min(n, static_cast<std::int64_t>(end_frame * hop));
    segments.push_back(segment);
  }
  return segments;
}

std::vector<Segment> cut_long_segments(const std::vector<Segment>& segments, double hop,
                                       std::int64_t longest_frames, std::int64_t overlap_frames) {
  std::vector<Segment> pieces;
  for (const Segment& segment : segments) {
    Segment piece = segment;
    while (frame_count(segment.end_sample - piece.first_sample, hop) > longest_frames) {
      piece.end_sample =
          static_cast<std::int64_t>(static_cast<double>(piece.start_frame + longest_frames) * hop);
      pieces.push_back(piece);
      piece.start_frame += longest_frames - overlap_frames;
      piece.first_sample = static_cast<std::int64_t>(static_cast<double>(piece.start_frame) * hop);
    }
    piece.end_sample = segment.end_sample;
    pieces.push_back(piece);
  }
  return pieces;
}

}  // namespace greenroom::audio
