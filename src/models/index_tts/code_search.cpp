#include "models/index_tts/code_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "models/index_tts/score_processors.h"

namespace greenroom::models::index_tts {
namespace {

// The input ids during generation are made up: ones in the place of the prefix, then the start code. So the
// repetition penalty holds code 1 and the start code down from the first step on (IndexTTS gpt/model_v2.py:
// inference_speech()).
constexpr std::int64_t kPrefixId = 1;

// Beams that are not in use yet.
constexpr float kUnused = -1e9F;

void require_finite(std::span<const float> logits) {
  const double sum = std::accumulate(logits.begin(), logits.end(), 0.0);
  if (std::isfinite(sum)) return;
  throw base::Error(base::ErrorCode::kInternal,
                    "the model's scores are not finite; its weights are damaged or do not fit into the half "
                    "precision they were loaded in (load them as float32)");
}

// In proportion to the softmax of the scores.
std::vector<std::int64_t> draw(std::span<const float> scores, int count, CodePicker& picker) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  std::vector<Candidate> candidates;
  double sum = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const float p = std::exp(scores[i] - largest);
    if (p > 0) candidates.push_back({static_cast<std::int64_t>(i), p});
    sum += p;
  }
  for (auto& candidate : candidates) candidate.probability /= static_cast<float>(sum);
  return picker.pick(candidates, count);
}

std::size_t index_of(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

}  // namespace

std::int64_t choose_code(std::span<float> scores, std::span<const std::int64_t> history,
                         const GenerationOptions& options, CodePicker* picker) {
  require_finite(scores);
  process_scores(scores, history, options);
  if (options.do_sample) return draw(scores, 1, *picker).at(0);
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

CodeSearch::CodeSearch(const GenerationOptions& options, const CodeSpace& space, CodePicker* picker)
    : options_(options),
      space_(space),
      picker_(picker),
      beams_(options.num_beams, options.length_penalty, space.stop),
      beam_scores_(static_cast<std::size_t>(options.num_beams), kUnused) {
  beam_scores_[0] = 0;
}

std::span<const CodeSearch::Next> CodeSearch::advance(std::span<float> logits) {
  ++steps_;
  if (options_.num_beams == 1) {
    advance_single(logits);
  } else {
    advance_beams(logits);
  }
  if (steps_ >= options_.max_mel_tokens) next_.clear();
  return next_;
}

void CodeSearch::fill_history(const std::vector<std::int64_t>& codes) {
  history_.assign({kPrefixId, space_.start});
  history_.insert(history_.end(), codes.begin(), codes.end());
}

void CodeSearch::advance_single(std::span<float> logits) {
  fill_history(codes_);
  const std::int64_t code = choose_code(logits, history_, options_, picker_);
  next_.clear();
  stopped_ = code == space_.stop;
  if (stopped_) return;
  codes_.push_back(code);
  next_.push_back({0, code});
}

// The best of all scores, best first. Codes that cannot be (-infinity) come last and never as the stop code,
// which would make a finished hypothesis of them.
std::vector<std::int64_t> CodeSearch::rank_beams(std::span<const float> scores, std::size_t count) const {
  std::vector<std::int64_t> ranked;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const bool impossible = scores[i] == -std::numeric_limits<float>::infinity();
    if (impossible && index % space_.codes == space_.stop) continue;
    if (ranked.size() == count && !(scores[i] > scores[index_of(ranked.back())])) continue;
    const auto place = std::find_if(ranked.begin(), ranked.end(),
                                    [&](std::int64_t other) { return scores[i] > scores[index_of(other)]; });
    ranked.insert(place, index);
    if (ranked.size() > count) ranked.pop_back();
  }
  return ranked;
}

void CodeSearch::advance_beams(std::span<float> logits) {
  const auto beams = static_cast<std::size_t>(options_.num_beams);
  const auto codes = index_of(space_.codes);
  require_finite(logits);
  for (std::size_t beam = 0; beam < beams; ++beam) {
    const auto row = logits.subspan(beam * codes, codes);
    log_softmax(row);
    fill_history(beams_.sequence(static_cast<int>(beam)));
    process_scores(row, history_, options_);
    for (float& score : row) score += beam_scores_[beam];
  }
  const std::size_t wanted = 2 * beams;
  std::vector<std::int64_t> picks;
  if (options_.do_sample) picks = draw(logits, static_cast<int>(wanted), *picker_);
  if (picks.size() < wanted) {
    // Torch fills up with codes of probability 0, whichever; here with the best of them.
    for (const auto index : rank_beams(logits, wanted + picks.size())) {
      if (picks.size() < wanted && std::find(picks.begin(), picks.end(), index) == picks.end())
        picks.push_back(index);
    }
  }
  std::vector<Continuation> ranked;
  ranked.reserve(picks.size());
  for (const auto index : picks) {
    ranked.push_back({logits[index_of(index)], static_cast<int>(index / space_.codes), index % space_.codes});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Continuation& a, const Continuation& b) { return a.score > b.score; });
  next_.clear();
  const auto continued = beams_.advance(ranked);
  for (std::size_t i = 0; i < continued.size(); ++i) {
    beam_scores_[i] = static_cast<float>(continued[i].score);
    next_.push_back({continued[i].beam, continued[i].code});
  }
}

GeneratedCodes CodeSearch::finish() {
  if (options_.num_beams == 1) return {std::move(codes_), stopped_, 0};
  auto best = beams_.finish();
  return {std::move(best.codes), best.stopped, best.score};
}

}  // namespace greenroom::models::index_tts
