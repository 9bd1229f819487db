// Upstream's TextNormalizer: protects what must not be read as prose (pinyin with tones, names, technical
// terms), lets the rules of a language write out numbers and signs, and reduces punctuation to what the model
// was trained on.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace greenroom::models::index_tts {

// How a word is to be read; an empty form is not replaced in that language.
struct GlossaryEntry {
  std::string word;
  std::string chinese;
  std::string english;
};

// glossary.yaml: a map of words to a reading, or to {zh: ..., en: ...}. Throws base::Error(kDataLoss).
std::vector<GlossaryEntry> read_glossary(const std::filesystem::path& path);

// Writes out numbers, dates and signs. Private-use characters of plane 15 stand for protected text and stay.
using SpokenForm = std::function<std::u32string(std::u32string_view)>;

// Is the text read by the Chinese rules?
bool uses_chinese(std::string_view text);

// Immutable; thread-safe.
class TextNormalizer {
 public:
  // With the rules of spoken_forms.h.
  explicit TextNormalizer(std::vector<GlossaryEntry> glossary = {});
  TextNormalizer(std::vector<GlossaryEntry> glossary, SpokenForm chinese, SpokenForm english);

  std::string normalize(std::string_view text) const;

 private:
  std::vector<GlossaryEntry> glossary_;  // longest first
  SpokenForm chinese_;
  SpokenForm english_;
};

}  // namespace greenroom::models::index_tts
