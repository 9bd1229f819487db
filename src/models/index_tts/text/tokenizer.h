// Text to sentencepiece ids: upstream's TextTokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "models/index_tts/text/bpe_model.h"

namespace greenroom::models::index_tts {

// Sets every CJK character apart and turns the rest to upper case.
// index-tts indextts/utils/common.py: tokenize_by_CJK_char()
std::string separate_cjk(std::string_view text);

// Thread-safe.
class Tokenizer {
 public:
  // Throws base::Error: kNotFound, kDataLoss (not a sentencepiece model, or one whose tables point outside
  // themselves).
  explicit Tokenizer(const std::filesystem::path& model);

  // Pieces of text that was normalised and had its CJK characters set apart.
  std::vector<std::string> pieces(std::string_view text) const;

  // The unknown piece's id for a piece that is not in the vocabulary.
  std::vector<std::int64_t> ids(const std::vector<std::string>& pieces) const;
  bool is_known(const std::string& piece) const;
  int size() const;

 private:
  BpeModel model_;
};

class TextNormalizer;

// Upstream's TextTokenizer.encode(): normalise, set CJK apart, cut into pieces. A text of one character is
// cut as it is; an empty one has no pieces.
std::vector<std::string> encode_text(const Tokenizer& tokenizer, const TextNormalizer& normalizer,
                                     std::string_view text);

}  // namespace greenroom::models::index_tts
