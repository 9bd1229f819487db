#include "audio/pitch.h"

#include <cstddef>

#include "audio/frames.h"

namespace greenroom::audio {
namespace {

// Replaces the zeros of a track by linear interpolation over the index. Leaves a track of zeros alone.
template <typename Value>
void interpolate_zeros(std::vector<Value>& track) {
  std::vector<double> voiced_at;
  std::vector<double> voiced;
  std::vector<double> unvoiced_at;
  for (std::size_t i = 0; i < track.size(); ++i) {
    if (track[i] == 0) {
      unvoiced_at.push_back(static_cast<double>(i));
    } else {
      voiced_at.push_back(static_cast<double>(i));
      voiced.push_back(track[i]);
    }
  }
  if (voiced.empty() || unvoiced_at.empty()) return;
  const std::vector<double> filled = interpolate(unvoiced_at, voiced_at, voiced);
  for (std::size_t i = 0; i < filled.size(); ++i) {
    track[static_cast<std::size_t>(unvoiced_at[i])] = static_cast<Value>(filled[i]);
  }
}

}  // namespace

std::vector<double> regrid_pitch(const std::vector<float>& track, double track_step_seconds, double hop,
                                 int sample_rate, std::int64_t n_frames) {
  if (n_frames <= 0) return {};
  if (track.empty()) return std::vector<double>(static_cast<std::size_t>(n_frames), 0.0);

  std::vector<double> track_times(track.size());
  std::vector<double> unvoiced(track.size());
  for (std::size_t i = 0; i < track.size(); ++i) {
    track_times[i] = track_step_seconds * static_cast<double>(i);
    unvoiced[i] = track[i] == 0 ? 1 : 0;
  }
  std::vector<double> frame_times(static_cast<std::size_t>(n_frames));
  const double frame_seconds = hop / sample_rate;
  for (std::size_t k = 0; k < frame_times.size(); ++k)
    frame_times[k] = frame_seconds * static_cast<double>(k);

  // The reference fills its float32 track in place, so filled values are rounded to float before they are
  // regridded.
  std::vector<float> filled = track;
  interpolate_zeros(filled);
  std::vector<double> f0 =
      interpolate(frame_times, track_times, std::vector<double>(filled.begin(), filled.end()));
  const std::vector<double> frame_unvoiced = interpolate(frame_times, track_times, unvoiced);
  for (std::size_t k = 0; k < f0.size(); ++k) {
    if (frame_unvoiced[k] > 0.5) f0[k] = 0;
  }
  return f0;
}

void fill_unvoiced(std::vector<double>& f0, double min_hz) {
  interpolate_zeros(f0);
  raise_to_minimum(f0, min_hz);
}

void raise_to_minimum(std::vector<double>& f0, double min_hz) {
  for (double& hz : f0) {
    if (hz < min_hz) hz = min_hz;
  }
}

}  // namespace greenroom::audio
