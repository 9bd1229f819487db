// A sentencepiece BPE model: reads its file and cuts text as the library does.
//
// Why not the library: Debian's libsentencepiece exports the protocol buffer code it carries, and libtorch's
// own crashes on meeting it in one process. The file is a stranger's, so every table is checked before it is
// used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace greenroom::models::index_tts {

// Immutable; thread-safe.
class BpeModel {
 public:
  // `file` names it in messages. Throws base::Error: kDataLoss (no sentencepiece model, or one whose tables
  // point outside themselves), kUnimplemented (another kind than BPE).
  BpeModel(std::string_view bytes, const std::string& file);

  // SentencePieceProcessor::Encode(): the pieces of any text.
  std::vector<std::string> encode(std::string_view text) const;

  std::int64_t id(const std::string& piece) const;  // the unknown piece's when there is no such piece
  std::int64_t unknown_id() const { return unknown_; }
  std::int64_t size() const { return static_cast<std::int64_t>(pieces_.size()); }

  // normalizer.cc: Normalizer::Normalize()
  std::string normalize(std::string_view text) const;

 private:
  enum class Type : std::uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::kNormal;
  };
  struct Symbol {
    std::size_t begin, size;  // in the normalised text; no size: was merged into the one before
    std::ptrdiff_t previous, next;
    bool fixed;  // a user-defined piece: takes no part in merges
  };

  void read_piece(std::string_view bytes, const std::string& file);
  void read_trainer(std::string_view bytes, const std::string& file);
  void read_normalizer(std::string_view bytes, const std::string& file);
  void index_pieces(const std::string& file);

  std::size_t user_defined_at(std::string_view text) const;  // length of the longest at its begin
  // The normal form of the begin of `text`, and how much of it that stands for.
  std::string_view normal_prefix(std::string_view text, std::size_t& length) const;
  std::vector<Symbol> split(std::string_view text) const;
  void merge(std::string_view text, std::vector<Symbol>& symbols) const;

  std::vector<Piece> pieces_;
  std::unordered_map<std::string, std::int64_t> mergeable_;  // normal, user-defined and unused ones
  std::unordered_map<std::string, std::int64_t> reserved_;
  std::vector<std::string> user_defined_;  // longest first
  std::vector<std::uint32_t> trie_;        // darts-clone's double array
  std::string normal_forms_;               // zero-terminated, found by the trie's values
  std::int64_t unknown_ = 0;
  bool byte_fallback_ = false;
  bool space_as_suffix_ = false;
  bool add_dummy_prefix_ = true;
  bool remove_extra_spaces_ = true;
  bool escape_spaces_ = true;
};

}  // namespace greenroom::models::index_tts
