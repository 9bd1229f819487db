// Resampling with libsoxr's "HQ" recipe, what librosa.load does to a recording. A model that was given such
// recordings hears another resampler's output as a slightly different voice.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace greenroom::audio {

// Returns ceil(n * new_rate / old_rate) samples (librosa's fix_length: cut, or padded with zeros); a copy
// when the rates are equal. One thread. REQUIRES: both rates > 0. Throws base::Error(kInternal) when libsoxr
// fails, kInvalidArgument when the rates differ by more than it can do.
std::vector<float> resample_soxr_hq(std::span<const float> samples, int old_rate, int new_rate);

// The same for samples that come piece by piece. Not thread-safe.
class SoxrStream {
 public:
  // REQUIRES: both rates > 0. Throws base::Error(kInvalidArgument) when the rates differ by more than it can
  // do.
  SoxrStream(int old_rate, int new_rate);
  ~SoxrStream();
  SoxrStream(const SoxrStream&) = delete;
  SoxrStream& operator=(const SoxrStream&) = delete;

  // What is ready by now; it lags a little.
  std::vector<float> add(std::span<const float> samples);
  // The rest. Nothing may be added afterwards.
  std::vector<float> finish();

 private:
  std::vector<float> process(const float* samples, std::size_t count);

  void* soxr_;
  double ratio_;
};

}  // namespace greenroom::audio
