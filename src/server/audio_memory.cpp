#include "server/audio_memory.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "server/problem.h"

namespace greenroom::server {
namespace {

using base::Error;
using base::ErrorCode;

// The models work at 44.1 kHz and less: what is recorded at less grows to that.
constexpr int kWorkingRate = 48'000;

std::uint64_t bytes_of(std::int64_t frames, int sample_rate) {
  const double seconds = static_cast<double>(frames) / sample_rate;
  return static_cast<std::uint64_t>(seconds * std::max(sample_rate, kWorkingRate) * sizeof(float));
}

}  // namespace

AudioMemory::Claim::~Claim() {
  memory_.give_back(bytes_);
}

audio::ReadOptions AudioMemory::Claim::reading(const std::string& name) {
  audio::ReadOptions options;
  options.called = name;
  options.will_hold = [this, name, before = bytes_](std::int64_t frames, int sample_rate) {
    const auto wanted = before + bytes_of(frames, sample_rate);
    if (wanted > bytes_) memory_.grow(*this, wanted, name);
  };
  return options;
}

void AudioMemory::grow(Claim& claim, std::uint64_t bytes, const std::string& name) {
  constexpr int kTooLarge = 413;
  constexpr std::chrono::seconds kComeBack{5};
  constexpr std::chrono::milliseconds kLook{50};
  if (bytes > limit_bytes_) {
    throw HttpError(kTooLarge, "payload_too_large",
                    fmt::format("'{}' takes {} of memory as samples, and recordings may take {}: send it in "
                                "parts, or raise ui.max_audio_mb",
                                name, base::format_bytes(bytes), base::format_bytes(limit_bytes_)));
  }
  base::MutexLock lock(mutex_);
  while (claimed_bytes_ - claim.bytes_ + bytes > limit_bytes_) {
    // Who has some already and waits for more could wait for somebody who does the same.
    if (claim.cancelled_ == nullptr || claim.bytes_ > 0) {
      throw Error(
          ErrorCode::kUnavailable,
          fmt::format("'{}' takes {} of memory as samples, and other recordings take {} of {} now: try "
                      "again later",
                      name, base::format_bytes(bytes), base::format_bytes(claimed_bytes_),
                      base::format_bytes(limit_bytes_)),
          kComeBack);
    }
    if (*claim.cancelled_) throw Error(ErrorCode::kCancelled, "cancelled while it waited for memory");
    freed_.wait_until(mutex_, std::chrono::steady_clock::now() + kLook);
  }
  claimed_bytes_ += bytes - claim.bytes_;
  claim.bytes_ = bytes;
}

void AudioMemory::give_back(std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  claimed_bytes_ -= bytes;
  freed_.notify_all();
}

std::uint64_t AudioMemory::claimed_bytes() const {
  base::MutexLock lock(mutex_);
  return claimed_bytes_;
}

}  // namespace greenroom::server
