#include "audio/loudness.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "audio/frames.h"

namespace greenroom::audio {
namespace {

// Sums over any range of a signal, of the values and of their squares. Overlapping wide windows share the
// sums of whole blocks, which keeps the cost linear; a running prefix sum would too, but leaves its rounding
// error behind in silence that follows loud passages.
class RangeSums {
 public:
  explicit RangeSums(const std::vector<float>& signal) : signal_(signal) {
    const std::size_t n_blocks = signal.size() / kBlock;
    block_sums_.reserve(n_blocks);
    for (std::size_t block = 0; block < n_blocks; ++block) {
      block_sums_.push_back(plain_sum(block * kBlock, (block + 1) * kBlock));
    }
  }

  struct Sums {
    double values = 0;
    double squares = 0;
  };

  Sums sum(std::size_t begin, std::size_t end) const {
    const std::size_t first_block = (begin + kBlock - 1) / kBlock;
    const std::size_t last_block = end / kBlock;
    if (first_block >= last_block) return plain_sum(begin, end);
    Sums total = plain_sum(begin, first_block * kBlock);
    for (std::size_t block = first_block; block < last_block; ++block) add(total, block_sums_[block]);
    add(total, plain_sum(last_block * kBlock, end));
    return total;
  }

 private:
  static constexpr std::size_t kBlock = 64;

  static void add(Sums& total, const Sums& more) {
    total.values += more.values;
    total.squares += more.squares;
  }

  Sums plain_sum(std::size_t begin, std::size_t end) const {
    Sums total;
    for (std::size_t i = begin; i < end; ++i) {
      const double value = signal_[i];
      total.values += value;
      total.squares += value * value;
    }
    return total;
  }

  const std::vector<float>& signal_;
  std::vector<Sums> block_sums_;
};

// numpy.pad(mode="reflect"): mirrors without repeating the edge, as often as needed; one sample is just
// repeated. REQUIRES: samples not empty.
std::vector<float> reflect_pad(std::span<const float> samples, std::int64_t left, std::int64_t right) {
  const std::int64_t n = static_cast<std::int64_t>(samples.size());
  const std::int64_t period = std::max<std::int64_t>(2 * (n - 1), 1);
  std::vector<float> padded;
  padded.reserve(static_cast<std::size_t>(left + n + right));
  const auto mirrored = [&](std::int64_t position) {
    const std::int64_t phase = ((position % period) + period) % period;
    return samples[static_cast<std::size_t>(phase < n ? phase : period - phase)];
  };
  for (std::int64_t i = -left; i < 0; ++i) padded.push_back(mirrored(i));
  padded.insert(padded.end(), samples.begin(), samples.end());
  for (std::int64_t i = n; i < n + right; ++i) padded.push_back(mirrored(i));
  return padded;
}

std::vector<float> pad_for_window(std::span<const float> samples, double window) {
  return reflect_pad(samples, static_cast<std::int64_t>(python_floor_divide(window, 2)),
                     static_cast<std::int64_t>(python_floor_divide(window + 1, 2)));
}

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
  double length() const { return static_cast<double>(end - begin); }
};

// A Python slice: bounds past the end are clipped.
Range clipped(double begin, double end, std::size_t size) {
  Range range;
  range.begin = std::min(static_cast<std::size_t>(begin), size);
  range.end = std::clamp(static_cast<std::size_t>(end), range.begin, size);
  return range;
}

}  // namespace

std::vector<float> volume_rms(std::span<const float> samples, double hop) {
  std::vector<float> volume(
      static_cast<std::size_t>(frame_count(static_cast<std::int64_t>(samples.size()), hop)));
  if (samples.empty()) return volume;
  const std::vector<float> padded = pad_for_window(samples, hop);
  for (std::size_t k = 0; k < volume.size(); ++k) {
    const Range frame =
        clipped(static_cast<double>(k) * hop, static_cast<double>(k + 1) * hop, padded.size());
    double sum = 0;
    for (std::size_t i = frame.begin; i < frame.end; ++i) sum += static_cast<double>(padded[i]) * padded[i];
    if (frame.end > frame.begin) volume[k] = static_cast<float>(std::sqrt(sum / frame.length()));
  }
  return volume;
}

std::vector<float> volume_deviation(std::span<const float> samples, double hop, double window) {
  std::vector<float> volume(
      static_cast<std::size_t>(frame_count(static_cast<std::int64_t>(samples.size()), hop)));
  if (samples.empty()) return volume;
  const std::vector<float> padded = pad_for_window(samples, window);
  const RangeSums sums(padded);
  for (std::size_t k = 0; k < volume.size(); ++k) {
    const double begin = static_cast<double>(k) * hop;
    const Range frame = clipped(begin, begin + window, padded.size());
    if (frame.begin == frame.end) continue;
    const RangeSums::Sums sum = sums.sum(frame.begin, frame.end);
    const double mean = sum.values / frame.length();
    volume[k] = static_cast<float>(std::sqrt(std::max(0.0, sum.squares / frame.length() - mean * mean)));
  }
  return volume;
}

std::vector<double> loudness_mask(const std::vector<float>& volume, double threshold_db, int dilate_frames) {
  // numpy compares a float32 array with a Python number in float32.
  const float threshold = static_cast<float>(std::pow(10.0, threshold_db / 20));
  const std::int64_t n = static_cast<std::int64_t>(volume.size());
  std::vector<double> mask(volume.size(), 0.0);
  std::int64_t marked = 0;  // everything before is settled
  for (std::int64_t k = 0; k < n; ++k) {
    if (!(volume[static_cast<std::size_t>(k)] > threshold)) continue;
    const std::int64_t end = std::min(n, k + dilate_frames + 1);
    for (std::int64_t i = std::max(marked, k - dilate_frames); i < end; ++i)
      mask[static_cast<std::size_t>(i)] = 1;
    marked = end;
  }
  return mask;
}

std::vector<float> upsample_frames(const std::vector<double>& frames, int block_size) {
  std::vector<float> samples;
  samples.reserve(frames.size() * static_cast<std::size_t>(block_size));
  for (std::size_t k = 0; k < frames.size(); ++k) {
    const double value = frames[k];
    const double rise = k + 1 < frames.size() ? frames[k + 1] - value : 0;
    for (int j = 0; j < block_size; ++j) samples.push_back(static_cast<float>(value + rise * j / block_size));
  }
  return samples;
}

}  // namespace greenroom::audio
