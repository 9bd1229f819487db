#include "models/index_tts/generation.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

#include "base/error.h"

namespace greenroom::models::index_tts {
namespace {

template <typename T>
void require(bool holds, const char* name, T value, const char* range) {
  if (holds) return;
  throw base::Error(base::ErrorCode::kInvalidArgument,
                    fmt::format("{} is {}; it must be {}", name, value, range));
}

}  // namespace

void GenerationOptions::validate() const {
  constexpr int kMostBeams = 16;
  require(num_beams >= 1 && num_beams <= kMostBeams, "num_beams", num_beams, "between 1 and 16");
  require(temperature > 0 && std::isfinite(temperature), "temperature", temperature, "above 0");
  require(top_k >= 0, "top_k", top_k, "0 (no limit) or more");
  require(top_p > 0 && top_p <= 1, "top_p", top_p, "above 0 and at most 1");
  require(repetition_penalty > 0 && std::isfinite(repetition_penalty), "repetition_penalty",
          repetition_penalty, "above 0 (1: none)");
  require(std::abs(length_penalty) <= 100, "length_penalty", length_penalty, "between -100 and 100");
  require(typical_mass > 0 && typical_mass < 1, "typical_mass", typical_mass, "between 0 and 1");
  require(max_mel_tokens >= 1, "max_mel_tokens", max_mel_tokens, "at least 1");
}

}  // namespace greenroom::models::index_tts
