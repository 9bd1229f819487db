// From the scores of one step to the codes of the next, for one segment: sampling, the best code, beam search
// and beam sampling as Transformers does them for IndexTTS.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/index_tts/beam_scorer.h"
#include "models/index_tts/code_picker.h"
#include "models/index_tts/generation.h"

namespace greenroom::models::index_tts {

struct CodeSpace {
  std::int64_t codes = 8194;  // that the head scores, start and stop included
  std::int64_t start = 8192;
  std::int64_t stop = 8193;
};

// One code from the scores of one step, which are overwritten: what is done with a single beam. `picker` may
// be null without do_sample. Throws Error(kInternal) when a score is not finite.
std::int64_t choose_code(std::span<float> scores, std::span<const std::int64_t> history,
                         const GenerationOptions& options, CodePicker* picker);

// Not thread-safe; one per segment.
class CodeSearch {
 public:
  // `picker` is not asked without do_sample, and may then be null. It must outlive the search.
  CodeSearch(const GenerationOptions& options, const CodeSpace& space, CodePicker* picker);

  struct Next {
    int parent;         // the beam it continues
    std::int64_t code;  // to feed
  };
  // `logits`: [beams, codes], overwritten; in the first step all beams have the same. The next step's inputs,
  // one per beam; empty when the search is over. Throws Error(kInternal) when a logit is not finite.
  std::span<const Next> advance(std::span<float> logits);

  std::int64_t steps() const { return steps_; }
  GeneratedCodes finish();

 private:
  void advance_single(std::span<float> logits);
  void advance_beams(std::span<float> logits);
  std::vector<std::int64_t> rank_beams(std::span<const float> scores, std::size_t count) const;
  void fill_history(const std::vector<std::int64_t>& codes);

  GenerationOptions options_;
  CodeSpace space_;
  CodePicker* picker_;
  std::int64_t steps_ = 0;
  std::vector<Next> next_;
  std::vector<std::int64_t> history_;

  std::vector<std::int64_t> codes_;  // with one beam
  bool stopped_ = false;

  BeamScorer beams_;
  std::vector<float> beam_scores_;
};

}  // namespace greenroom::models::index_tts
