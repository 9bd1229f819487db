// The byte-level BPE tokenizer of Qwen models, from tokenizer.json or from vocab.json and merges.txt.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace greenroom::models::index_tts {

// Immutable; thread-safe.
class ByteBpe {
 public:
  // Throws base::Error: kNotFound, kDataLoss.
  explicit ByteBpe(const std::filesystem::path& folder);

  // Special tokens ("<|im_start|>") in the text become their ids.
  std::vector<std::int64_t> encode(std::string_view text) const;

  // Special tokens are left out. An id that is not in the vocabulary adds nothing.
  std::string decode(const std::vector<std::int64_t>& ids) const;

  std::optional<std::int64_t> special(const std::string& token) const;

 private:
  void read_tokenizer_json(const std::filesystem::path& path);
  void read_vocabulary(const std::filesystem::path& folder);
  void add_merge(std::string_view left, std::string_view right);
  void add_special(const std::string& token, std::int64_t id);
  void encode_plain(std::string_view text, std::vector<std::int64_t>& ids) const;
  void encode_word(std::string_view word, std::vector<std::int64_t>& ids) const;

  std::unordered_map<std::string, std::int64_t> ids_;     // of byte strings in their printable form
  std::unordered_map<std::int64_t, std::string> tokens_;  // the other way round
  std::unordered_map<std::string, std::int64_t> merges_;  // "left right" -> rank
  std::map<std::string, std::int64_t, std::less<>> special_;
};

}  // namespace greenroom::models::index_tts
