// Which beams go on and which hypotheses are kept: Transformers' BeamSearchScorer for one text, with
// early_stopping False.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace greenroom::models::index_tts {

// A code considered for one of the next beams.
struct Continuation {
  double score;       // of the whole beam with this code
  int beam;           // that it continues
  std::int64_t code;  // 0 .. codes - 1
};

// Not thread-safe; one per segment.
class BeamScorer {
 public:
  BeamScorer(int beams, double length_penalty, std::int64_t stop_code);

  // The best continuations, best first, at least `beams` of them without the stop code. Returns the next
  // beams; empty when the search is done. Sequences of the beams are kept here.
  std::vector<Continuation> advance(std::span<const Continuation> ranked);

  // What was generated on a beam so far.
  const std::vector<std::int64_t>& sequence(int beam) const { return sequences_.at(beam); }
  bool done() const { return done_; }

  struct Hypothesis {
    double score;
    std::vector<std::int64_t> codes;
    bool stopped;  // by the stop code, not by the length limit
  };
  // The best hypothesis; beams that were not finished take part unless the search was done. Ends the search.
  Hypothesis finish();

 private:
  void add(double score, const std::vector<std::int64_t>& codes, std::size_t length, bool stopped);
  double normalized(double score, std::size_t length) const;

  std::size_t beams_;
  double length_penalty_;
  std::int64_t stop_code_;
  std::vector<std::vector<std::int64_t>> sequences_;
  std::vector<double> scores_;
  std::vector<Hypothesis> finished_;
  double worst_ = 1e9;
  bool done_ = false;
};

}  // namespace greenroom::models::index_tts
