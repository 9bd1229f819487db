#include "models/index_tts/score_processors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace greenroom::models::index_tts {
namespace {

constexpr float kRemoved = -std::numeric_limits<float>::infinity();

struct Scored {
  float score;
  std::int32_t code;
};

// What is left, by code.
std::vector<Scored> remaining(std::span<const float> scores) {
  std::vector<Scored> left;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] != kRemoved) left.push_back({scores[i], static_cast<std::int32_t>(i)});
  }
  return left;
}

// softmax of the scores in their order.
std::vector<double> probabilities_of(const std::vector<Scored>& scored) {
  float largest = kRemoved;
  for (const auto& one : scored) largest = std::max(largest, one.score);
  std::vector<double> p(scored.size());
  double sum = 0;
  for (std::size_t i = 0; i < scored.size(); ++i) sum += p[i] = std::exp(scored[i].score - largest);
  for (auto& value : p) value /= sum;
  return p;
}

}  // namespace

void log_softmax(std::span<float> scores) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const float score : scores) sum += std::exp(score - largest);
  const float shift = largest + static_cast<float>(std::log(sum));
  for (float& score : scores) score -= shift;
}

void penalize_repetition(std::span<float> scores, std::span<const std::int64_t> history, double penalty) {
  if (penalty == 1.0) return;
  std::vector<std::int64_t> unique(history.begin(), history.end());
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  const auto factor = static_cast<float>(penalty);
  for (const auto code : unique) {
    if (code < 0 || code >= static_cast<std::int64_t>(scores.size())) continue;
    float& score = scores[static_cast<std::size_t>(code)];
    score = score < 0 ? score * factor : score / factor;
  }
}

void keep_typical(std::span<float> scores, double mass, int min_keep) {
  const auto left = remaining(scores);
  const auto p = probabilities_of(left);
  double entropy = 0;
  for (const double value : p) {
    if (value > 0) entropy -= value * std::log(value);
  }
  std::vector<float> surprise(left.size());
  for (std::size_t i = 0; i < left.size(); ++i)
    surprise[i] = static_cast<float>(std::abs(-std::log(p[i]) - entropy));
  std::vector<std::size_t> order(left.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return surprise[a] < surprise[b]; });
  std::size_t last = 0;
  for (double sum = 0; last + 1 < order.size(); ++last) {
    sum += p[order[last]];
    if (sum >= mass) break;
  }
  const float bound = surprise[order[last]];
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i >= static_cast<std::size_t>(min_keep) && surprise[order[i]] > bound)
      scores[static_cast<std::size_t>(left[order[i]].code)] = kRemoved;
  }
}

void divide_by_temperature(std::span<float> scores, double temperature) {
  if (temperature == 1.0) return;
  const auto divisor = static_cast<float>(temperature);
  for (float& score : scores) score /= divisor;
}

void keep_top_k(std::span<float> scores, int k) {
  if (k <= 0 || static_cast<std::size_t>(k) >= scores.size()) return;
  // The k best seen so far, the worst of them in front: most scores lose to it with one comparison.
  std::vector<float> best(scores.begin(), scores.begin() + k);
  std::make_heap(best.begin(), best.end(), std::greater<>());
  for (const float score : scores.subspan(static_cast<std::size_t>(k))) {
    if (score <= best.front()) continue;
    std::pop_heap(best.begin(), best.end(), std::greater<>());
    best.back() = score;
    std::push_heap(best.begin(), best.end(), std::greater<>());
  }
  const float bound = best.front();
  for (float& score : scores) {
    if (score < bound) score = kRemoved;
  }
}

void keep_top_p(std::span<float> scores, double p, int min_keep) {
  if (p >= 1.0) return;
  auto left = remaining(scores);
  std::stable_sort(left.begin(), left.end(),
                   [](const Scored& a, const Scored& b) { return a.score < b.score; });
  const auto probabilities = probabilities_of(left);
  const auto kept_always = std::min(left.size(), static_cast<std::size_t>(min_keep));
  double sum = 0;
  for (std::size_t i = 0; i < left.size() - kept_always; ++i) {
    sum += probabilities[i];
    if (static_cast<float>(sum) > static_cast<float>(1.0 - p)) break;
    scores[static_cast<std::size_t>(left[i].code)] = kRemoved;
  }
}

void process_scores(std::span<float> scores, std::span<const std::int64_t> history,
                    const GenerationOptions& options) {
  const int min_keep = options.num_beams > 1 ? 2 : 1;
  penalize_repetition(scores, history, options.repetition_penalty);
  if (options.typical_sampling) keep_typical(scores, options.typical_mass, min_keep);
  if (!options.do_sample) return;
  divide_by_temperature(scores, options.temperature);
  if (options.top_k > 0) keep_top_k(scores, std::max(options.top_k, min_keep));
  keep_top_p(scores, options.top_p, min_keep);
}

}  // namespace greenroom::models::index_tts
