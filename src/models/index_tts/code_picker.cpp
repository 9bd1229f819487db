#include "models/index_tts/code_picker.h"

#include <algorithm>
#include <cmath>

namespace greenroom::models::index_tts {
namespace {

std::mt19937_64 seeded(std::uint64_t seed, std::uint64_t segment) {
  const auto low = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
  std::seed_seq words{low(seed), low(seed >> 32), low(segment), low(segment >> 32)};
  return std::mt19937_64(words);
}

}  // namespace

SeededPicker::SeededPicker(std::uint64_t seed, std::uint64_t segment) : generator_(seeded(seed, segment)) {}

// The race of exponential clocks, as in at::multinomial(): the first `count` of q / p, q ~ Exp(1), are a draw
// without replacement.
std::vector<std::int64_t> SeededPicker::pick(std::span<const Candidate> candidates, int count) {
  constexpr double kStep = 0x1p-53;
  keys_.clear();
  for (const auto& candidate : candidates) {
    const double uniform = (static_cast<double>(generator_() >> 11) + 0.5) * kStep;  // inside (0, 1)
    keys_.emplace_back(-std::log(uniform) / candidate.probability, candidate.index);
  }
  const auto wanted = std::min(keys_.size(), static_cast<std::size_t>(count));
  std::partial_sort(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(wanted), keys_.end());
  std::vector<std::int64_t> picks;
  for (std::size_t i = 0; i < wanted; ++i) picks.push_back(keys_[i].second);
  return picks;
}

}  // namespace greenroom::models::index_tts
