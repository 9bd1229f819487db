// What is done to the scores of all codes before one is drawn: Hugging Face's processors, in its order.
//
// A removed code has the score -infinity. Scores are logits, or with beams the logarithms of probabilities.
#pragma once

#include <cstdint>
#include <span>

#include "models/index_tts/generation.h"

namespace greenroom::models::index_tts {

// scores -> scores - log(sum(exp(scores))).
void log_softmax(std::span<float> scores);

// Transformers RepetitionPenaltyLogitsProcessor: what is in `history` is multiplied by the penalty when
// negative, else divided by it; once, however often it is there. Codes outside of `scores` are ignored.
void penalize_repetition(std::span<float> scores, std::span<const std::int64_t> history, double penalty);

// IndexTTS indextts/utils/typical_sampling.py: keeps the codes whose surprise is nearest the expected one
// until they have `mass` of the probability, and at least `min_keep` codes.
void keep_typical(std::span<float> scores, double mass, int min_keep);

void divide_by_temperature(std::span<float> scores, double temperature);

// Keeps what is as good as the k-th best or better.
void keep_top_k(std::span<float> scores, int k);

// Keeps the best codes that have `p` of the probability together, and at least `min_keep`.
void keep_top_p(std::span<float> scores, double p, int min_keep);

// All of the above as `options` ask. Without do_sample only the repetition penalty and, when asked for, the
// typical filter apply.
void process_scores(std::span<float> scores, std::span<const std::int64_t> history,
                    const GenerationOptions& options);

}  // namespace greenroom::models::index_tts
