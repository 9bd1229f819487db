// From a request to what is to be spoken, checked: no torch, no weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/index_tts/description.h"
#include "models/index_tts/text/normalizer.h"
#include "models/index_tts/text/tokenizer.h"
#include "models/voice.h"

namespace greenroom::models::index_tts {

// Throws base::Error(kInvalidArgument) naming the option, its value and what is possible.
void check_options(const SpeakOptions& options, const Description& description);
void check_request(const SpeakRequest& request, const SpeakOptions& options, const Description& description);

struct TextPlan {
  std::vector<std::vector<std::int64_t>> segments;  // ids
  std::vector<std::string> notices;                 // of what cannot be said
};

// Throws base::Error(kInvalidArgument): nothing to say, or a segment that is too long for the model.
TextPlan plan_text(const std::string& text, const SpeakOptions& options, const Description& description,
                   const Tokenizer& tokenizer, const TextNormalizer& normalizer);

}  // namespace greenroom::models::index_tts
