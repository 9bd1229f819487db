#include "models/index_tts/beam_scorer.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

namespace greenroom::models::index_tts {

BeamScorer::BeamScorer(int beams, double length_penalty, std::int64_t stop_code)
    : beams_(static_cast<std::size_t>(beams)),
      length_penalty_(length_penalty),
      stop_code_(stop_code),
      sequences_(beams_),
      scores_(beams_, 0.0) {}

double BeamScorer::normalized(double score, std::size_t length) const {
  return score / std::pow(static_cast<double>(length), length_penalty_);
}

// Transformers BeamHypotheses.add()
void BeamScorer::add(double score, const std::vector<std::int64_t>& codes, std::size_t length, bool stopped) {
  const double value = normalized(score, length);
  if (finished_.size() >= beams_ && !(value > worst_)) return;
  finished_.push_back({value, codes, stopped});
  if (finished_.size() <= beams_) {
    worst_ = std::min(value, worst_);
    return;
  }
  const auto by_score = [](const Hypothesis& a, const Hypothesis& b) { return a.score < b.score; };
  finished_.erase(std::min_element(finished_.begin(), finished_.end(), by_score));
  worst_ = std::min_element(finished_.begin(), finished_.end(), by_score)->score;
}

// Transformers BeamSearchScorer.process()
std::vector<Continuation> BeamScorer::advance(std::span<const Continuation> ranked) {
  assert(!done_ && !ranked.empty());
  const std::size_t length = sequences_[0].size() + 1;
  std::vector<Continuation> next;
  for (std::size_t rank = 0; rank < ranked.size() && next.size() < beams_; ++rank) {
    const auto& candidate = ranked[rank];
    if (candidate.code != stop_code_) {
      next.push_back(candidate);
    } else if (rank < beams_) {
      add(candidate.score, sequences_[static_cast<std::size_t>(candidate.beam)], length, true);
    }
  }
  assert(next.size() == beams_);
  double best = ranked[0].score;
  for (const auto& candidate : ranked) best = std::max(best, candidate.score);
  done_ = finished_.size() >= beams_ && worst_ >= normalized(best, length);

  std::vector<std::vector<std::int64_t>> sequences;
  for (std::size_t i = 0; i < next.size(); ++i) {
    sequences.push_back(sequences_[static_cast<std::size_t>(next[i].beam)]);
    sequences.back().push_back(next[i].code);
    scores_[i] = next[i].score;
  }
  sequences_ = std::move(sequences);
  if (done_) next.clear();
  return next;
}

// Transformers BeamSearchScorer.finalize()
BeamScorer::Hypothesis BeamScorer::finish() {
  for (std::size_t i = 0; i < beams_ && !done_; ++i)
    add(scores_[i], sequences_[i], sequences_[i].size(), false);
  done_ = true;
  std::size_t best = 0;
  for (std::size_t i = 1; i < finished_.size(); ++i) {
    if (finished_[i].score >= finished_[best].score) best = i;  // of equals the later one
  }
  return std::move(finished_.at(best));
}

}  // namespace greenroom::models::index_tts
