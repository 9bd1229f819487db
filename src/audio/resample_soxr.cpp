#include "audio/resample_soxr.h"

#include <soxr.h>
#include <spdlog/fmt/fmt.h>

#include <cassert>
#include <cmath>
#include <cstddef>

#include "base/error.h"

namespace greenroom::audio {

std::vector<float> resample_soxr_hq(std::span<const float> samples, int old_rate, int new_rate) {
  assert(old_rate > 0 && new_rate > 0);
  if (old_rate == new_rate || samples.empty()) return {samples.begin(), samples.end()};
  // librosa resample(): int(np.ceil(n * ratio)), the ratio in double.
  const double ratio = static_cast<double>(new_rate) / old_rate;
  const auto wanted = static_cast<std::size_t>(std::ceil(static_cast<double>(samples.size()) * ratio));
  std::vector<float> out(wanted);
  const auto io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const auto quality = soxr_quality_spec(SOXR_HQ, 0);
  const auto runtime = soxr_runtime_spec(1);
  std::size_t made = 0;
  const soxr_error_t failure = soxr_oneshot(old_rate, new_rate, 1, samples.data(), samples.size(), nullptr,
                                            out.data(), out.size(), &made, &io, &quality, &runtime);
  if (failure != nullptr) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      fmt::format("cannot resample from {} to {} Hz: {}", old_rate, new_rate, failure));
  }
  return out;  // zeros after what was made
}

}  // namespace greenroom::audio
