// How codes are drawn from a GPT, in IndexTTS's words and with its defaults.
#pragma once

#include <cstdint>
#include <vector>

namespace greenroom::models::index_tts {

struct GenerationOptions {
  bool do_sample = true;  // false: the best beams, or with one beam the best code, of every step
  int num_beams = 3;      // 1: the faster mode
  double temperature = 0.8;
  int top_k = 30;      // 0: no limit
  double top_p = 0.8;  // 1: no limit
  double repetition_penalty = 10.0;
  double length_penalty = 0.0;  // a finished beam's score is divided by its length to this power
  bool typical_sampling = false;
  double typical_mass = 0.9;
  std::int64_t max_mel_tokens = 1500;

  // Throws Error(kInvalidArgument) naming the value and its range.
  void validate() const;
};

// The codes of one segment.
struct GeneratedCodes {
  std::vector<std::int64_t> codes;  // without the stop code
  bool stopped = false;             // false: the length limit ended it
  double score = 0;                 // of the chosen beam; 0 with one beam
};

}  // namespace greenroom::models::index_tts
