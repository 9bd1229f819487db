// The pause between two segments.
#pragma once

#include <cstdint>

namespace greenroom::models::index_tts {

// index-tts indextts/infer_v2.py: insert_interval_silence()
constexpr std::int64_t silence_samples(int milliseconds, int sample_rate) {
  constexpr std::int64_t kPerSecond = 1000;
  return milliseconds <= 0 ? 0 : std::int64_t{milliseconds} * sample_rate / kPerSecond;
}

}  // namespace greenroom::models::index_tts
