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

SoxrStream::SoxrStream(int old_rate, int new_rate) : ratio_(static_cast<double>(new_rate) / old_rate) {
  const auto io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const auto quality = soxr_quality_spec(SOXR_HQ, 0);
  const auto runtime = soxr_runtime_spec(1);
  soxr_error_t failure = nullptr;
  soxr_ = soxr_create(old_rate, new_rate, 1, &failure, &io, &quality, &runtime);
  if (failure != nullptr) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      fmt::format("cannot resample from {} to {} Hz: {}", old_rate, new_rate, failure));
  }
}

SoxrStream::~SoxrStream() {
  soxr_delete(static_cast<soxr_t>(soxr_));
}

// No samples at all (null) flush what is held back.
std::vector<float> SoxrStream::process(const float* samples, std::size_t count) {
  constexpr std::size_t kRoom = 8192;
  std::vector<float> out;
  std::size_t taken = 0;
  for (;;) {
    const std::size_t had = out.size();
    out.resize(had + static_cast<std::size_t>(static_cast<double>(count - taken) * ratio_) + kRoom);
    std::size_t used = 0;
    std::size_t made = 0;
    const soxr_error_t failure =
        soxr_process(static_cast<soxr_t>(soxr_), samples == nullptr ? nullptr : samples + taken,
                     count - taken, &used, out.data() + had, out.size() - had, &made);
    if (failure != nullptr)
      throw base::Error(base::ErrorCode::kInternal, fmt::format("resampling: {}", failure));
    taken += used;
    const bool is_full = had + made == out.size();
    out.resize(had + made);
    if (!is_full && taken >= count) return out;
  }
}

std::vector<float> SoxrStream::add(std::span<const float> samples) {
  return samples.empty() ? std::vector<float>() : process(samples.data(), samples.size());
}

std::vector<float> SoxrStream::finish() {
  return process(nullptr, 0);
}

}  // namespace greenroom::audio
