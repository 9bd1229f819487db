// Tokenizers of the demo model: they know every text, for they know every byte.
#pragma once

#include <cstdint>
#include <string>

namespace greenroom::models::index_tts {

// A sentencepiece model: capital letters, digits, marks, and bytes for the rest. Fewer than 400 pieces.
std::string demo_bpe_model();

// tokenizer.json of a Qwen that has the 256 bytes and its special tokens.
std::string demo_byte_bpe();
inline constexpr std::int64_t kDemoImEnd = 258;  // <|im_end|>

}  // namespace greenroom::models::index_tts
