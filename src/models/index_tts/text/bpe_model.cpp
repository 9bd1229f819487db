#include "models/index_tts/text/bpe_model.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <queue>
#include <utility>

#include "base/error.h"

namespace greenroom::models::index_tts {
namespace {

constexpr std::string_view kSpace = "▁";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

constexpr std::size_t kMostPieces = 1 << 20;
constexpr std::size_t kLongestPiece = 4096;
constexpr std::size_t kHighestId = 1 << 24;

// One message of the protocol buffer format, field by field.
class Message {
 public:
  Message(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  struct Field {
    std::uint32_t number = 0;
    std::uint32_t wire_type = 0;
    std::uint64_t integer = 0;
    std::string_view text;  // wire types 2 and 5
  };

  std::optional<Field> next() {
    if (bytes_.empty()) return std::nullopt;
    const std::uint64_t key = varint();
    Field field{static_cast<std::uint32_t>(key >> 3), static_cast<std::uint32_t>(key & 7), 0, {}};
    if (field.number == 0 || key >> 3 > kHighestId) fail("a field number is out of range");
    switch (field.wire_type) {
      case 0:
        field.integer = varint();
        break;
      case 1:
        take(sizeof(std::uint64_t));
        break;
      case 2:
        field.text = take(varint());
        break;
      case 5:
        field.text = take(sizeof(std::uint32_t));
        break;
      default:
        fail(fmt::format("a field has the unknown wire type {}", field.wire_type));
    }
    return field;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: not a sentencepiece model: {}", file_, what));
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number is too long");
  }

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size()) fail("it is cut off");
    const auto taken = bytes_.substr(0, static_cast<std::size_t>(count));
    bytes_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view bytes_;
  const std::string& file_;
};

// The double array of darts-clone, as sentencepiece walks it: from a unit, the units at (id ^ offset ^ byte)
// are looked at for any byte; a leaf's value is an offset into the strings behind the trie.
void check_character_map(std::string_view map, const Message& message) {
  std::uint32_t trie_bytes = 0;
  if (map.size() < sizeof(trie_bytes)) message.fail("its character map is cut off");
  std::memcpy(&trie_bytes, map.data(), sizeof(trie_bytes));
  map.remove_prefix(sizeof(trie_bytes));
  if (trie_bytes > map.size() || trie_bytes % sizeof(std::uint32_t) != 0 || trie_bytes == 0) {
    message.fail("the trie of its character map has an impossible size");
  }
  const std::size_t units = trie_bytes / sizeof(std::uint32_t);
  const std::size_t strings = map.size() - trie_bytes;
  if (strings == 0 || map.back() != '\0') message.fail("the strings of its character map are not terminated");
  constexpr std::uint32_t kLeaf = 1u << 31;
  for (std::size_t i = 0; i < units; ++i) {
    std::uint32_t unit = 0;
    std::memcpy(&unit, map.data() + i * sizeof(unit), sizeof(unit));
    if ((unit & kLeaf) != 0) {
      if ((unit & ~kLeaf) >= strings) message.fail("its character map points outside its strings");
      continue;
    }
    const std::uint32_t offset = (unit >> 10) << ((unit & (1u << 9)) >> 6);
    if (((i ^ offset) | 0xFF) >= units) message.fail("the trie of its character map points outside itself");
  }
}

// Length of a valid UTF-8 sequence at the begin of `text`, 0 when there is none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto follows = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first < 0xF0) {
    if (!follows(1) || !follows(2)) return 0;
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first < 0xF0 || first > 0xF4) return 0;
  if (!follows(1) || !follows(2) || !follows(3)) return 0;
  const bool overlong = first == 0xF0 && byte(1) < 0x90;
  const bool beyond = first == 0xF4 && byte(1) >= 0x90;
  return overlong || beyond ? 0 : 4;
}

}  // namespace

BpeModel::BpeModel(std::string_view bytes, const std::string& file) {
  constexpr std::uint32_t kPieces = 1;
  constexpr std::uint32_t kTrainer = 2;
  constexpr std::uint32_t kNormalizer = 3;
  Message model(bytes, file);
  bool has_trainer = false;
  while (const auto field = model.next()) {
    if (field->wire_type != 2) continue;
    if (field->number == kPieces) {
      read_piece(field->text, file);
    } else if (field->number == kTrainer) {
      read_trainer(field->text, file);
      has_trainer = true;
    } else if (field->number == kNormalizer) {
      read_normalizer(field->text, file);
    }
  }
  if (pieces_.empty() || !has_trainer) model.fail("it has no pieces or no settings");
  index_pieces(file);
}

void BpeModel::read_piece(std::string_view bytes, const std::string& file) {
  Message message(bytes, file);
  Piece piece;
  while (const auto field = message.next()) {
    if (field->number == 1 && field->wire_type == 2) {
      piece.text = field->text;
    } else if (field->number == 2 && field->wire_type == 5) {
      std::memcpy(&piece.score, field->text.data(), sizeof(piece.score));
    } else if (field->number == 3 && field->wire_type == 0) {
      if (field->integer < 1 || field->integer > 6) message.fail("a piece has an unknown type");
      piece.type = static_cast<Type>(field->integer);
    }
  }
  if (piece.text.empty() || piece.text.size() > kLongestPiece)
    message.fail("a piece is empty or over 4096 bytes");
  if (!std::isfinite(piece.score)) message.fail("the score of a piece is not a number");
  if (pieces_.size() >= kMostPieces) message.fail("it has more than a million pieces");
  pieces_.push_back(std::move(piece));
}

void BpeModel::read_trainer(std::string_view bytes, const std::string& file) {
  constexpr std::uint64_t kBpe = 2;
  Message message(bytes, file);
  std::uint64_t kind = 1;
  while (const auto field = message.next()) {
    if (field->wire_type != 0) continue;
    if (field->number == 3) kind = field->integer;
    if (field->number == 24) space_as_suffix_ = field->integer != 0;
    if (field->number == 35) byte_fallback_ = field->integer != 0;
  }
  if (kind == kBpe) return;
  throw base::Error(base::ErrorCode::kUnimplemented,
                    fmt::format("{}: a sentencepiece model of another kind than BPE", file));
}

void BpeModel::read_normalizer(std::string_view bytes, const std::string& file) {
  Message message(bytes, file);
  while (const auto field = message.next()) {
    if (field->number == 2 && field->wire_type == 2 && !field->text.empty()) {
      check_character_map(field->text, message);
      std::uint32_t trie_bytes = 0;
      std::memcpy(&trie_bytes, field->text.data(), sizeof(trie_bytes));
      trie_.resize(trie_bytes / sizeof(std::uint32_t));
      std::memcpy(trie_.data(), field->text.data() + sizeof(trie_bytes), trie_bytes);
      normal_forms_ = field->text.substr(sizeof(trie_bytes) + trie_bytes);
    }
    if (field->wire_type != 0) continue;
    if (field->number == 3) add_dummy_prefix_ = field->integer != 0;
    if (field->number == 4) remove_extra_spaces_ = field->integer != 0;
    if (field->number == 5) escape_spaces_ = field->integer != 0;
  }
}

void BpeModel::index_pieces(const std::string& file) {
  bool has_unknown = false;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const auto& piece = pieces_[i];
    const bool mergeable =
        piece.type == Type::kNormal || piece.type == Type::kUserDefined || piece.type == Type::kUnused;
    auto& index = mergeable ? mergeable_ : reserved_;
    if (!index.emplace(piece.text, static_cast<std::int64_t>(i)).second) {
      throw base::Error(base::ErrorCode::kDataLoss,
                        fmt::format("{}: not a sentencepiece model: piece {} is there twice", file, i));
    }
    if (piece.type == Type::kUserDefined) user_defined_.push_back(piece.text);
    if (piece.type != Type::kUnknown) continue;
    unknown_ = static_cast<std::int64_t>(i);
    has_unknown = true;
  }
  std::sort(user_defined_.begin(), user_defined_.end(),
            [](const auto& a, const auto& b) { return a.size() > b.size(); });
  constexpr int kBytes = 256;
  bool complete = true;
  for (int byte = 0; byte < kBytes; ++byte)
    complete = complete && reserved_.count(fmt::format("<0x{:02X}>", byte)) > 0;
  if (!has_unknown || (byte_fallback_ && !complete)) {
    throw base::Error(
        base::ErrorCode::kDataLoss,
        fmt::format("{}: not a sentencepiece model: it lacks the unknown piece or the bytes", file));
  }
}

std::int64_t BpeModel::id(const std::string& piece) const {
  if (const auto found = reserved_.find(piece); found != reserved_.end()) return found->second;
  const auto found = mergeable_.find(piece);
  return found == mergeable_.end() ? unknown_ : found->second;
}

std::size_t BpeModel::user_defined_at(std::string_view text) const {
  for (const auto& piece : user_defined_) {
    if (text.starts_with(piece)) return piece.size();
  }
  return 0;
}

std::string_view BpeModel::normal_prefix(std::string_view text, std::size_t& length) const {
  if (const std::size_t whole = user_defined_at(text)) {
    length = whole;
    return text.substr(0, whole);
  }
  // darts-clone: DoubleArray::commonPrefixSearch(), of which the longest counts.
  length = 0;
  std::size_t value = 0;
  std::size_t node = 0;
  const auto offset = [](std::uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); };
  if (!trie_.empty()) {
    node = offset(trie_[0]);
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      node ^= byte;
      const std::uint32_t unit = trie_[node];
      if ((unit & ((1U << 31) | 0xFF)) != byte) break;
      node ^= offset(unit);
      if ((unit >> 8 & 1) == 0) continue;
      value = trie_[node] & ((1U << 31) - 1);
      length = i + 1;
    }
  }
  if (length > 0) {
    if (value >= normal_forms_.size()) return {};
    return normal_forms_.c_str() + value;
  }
  length = character_length(text);
  if (length > 0) return text.substr(0, length);
  length = 1;
  return kReplacement;
}

std::string BpeModel::normalize(std::string_view text) const {
  std::size_t length = 0;
  while (remove_extra_spaces_ && !text.empty() && normal_prefix(text, length) == " ")
    text.remove_prefix(length);
  if (text.empty()) return {};
  const std::string_view space = escape_spaces_ ? kSpace : " ";
  std::string result;
  if (add_dummy_prefix_ && !space_as_suffix_) result += space;
  bool after_space = remove_extra_spaces_;
  while (!text.empty()) {
    std::string_view form = normal_prefix(text, length);
    while (after_space && form.starts_with(' ')) form.remove_prefix(1);
    for (const char c : form) {
      if (c == ' ') {
        result += space;
      } else {
        result += c;
      }
    }
    if (!form.empty()) after_space = form.back() == ' ';
    if (!remove_extra_spaces_) after_space = false;
    text.remove_prefix(length);
  }
  while (remove_extra_spaces_ && result.ends_with(space)) result.resize(result.size() - space.size());
  if (add_dummy_prefix_ && space_as_suffix_) result += space;
  return result;
}

std::vector<BpeModel::Symbol> BpeModel::split(std::string_view text) const {
  std::vector<Symbol> symbols;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t user_defined = user_defined_at(text.substr(at));
    const std::size_t size =
        user_defined > 0 ? user_defined : std::max<std::size_t>(1, character_length(text.substr(at)));
    const auto index = static_cast<std::ptrdiff_t>(symbols.size());
    symbols.push_back({at, size, index - 1, at + size < text.size() ? index + 1 : -1, user_defined > 0});
    at += size;
  }
  return symbols;
}

// bpe_model.cc: Model::SampleEncode() without sampling.
void BpeModel::merge(std::string_view text, std::vector<Symbol>& symbols) const {
  struct Pair {
    float score;
    std::ptrdiff_t left, right;
    std::size_t size;
    bool operator<(const Pair& other) const {
      return score < other.score || (score == other.score && left > other.left);
    }
  };
  std::priority_queue<Pair> agenda;
  const auto at = [&](std::ptrdiff_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  const auto consider = [&](std::ptrdiff_t left, std::ptrdiff_t right) {
    if (left < 0 || right < 0 || at(left).fixed || at(right).fixed) return;
    const std::size_t size = at(left).size + at(right).size;
    const auto found = mergeable_.find(std::string(text.substr(at(left).begin, size)));
    if (found == mergeable_.end()) return;
    agenda.push({pieces_[static_cast<std::size_t>(found->second)].score, left, right, size});
  };
  for (std::size_t i = 1; i < symbols.size(); ++i) {
    consider(static_cast<std::ptrdiff_t>(i) - 1, static_cast<std::ptrdiff_t>(i));
  }
  while (!agenda.empty()) {
    const Pair best = agenda.top();
    agenda.pop();
    Symbol& left = at(best.left);
    Symbol& right = at(best.right);
    if (left.size == 0 || right.size == 0 || left.size + right.size != best.size) continue;
    left.size = best.size;
    left.next = right.next;
    if (right.next >= 0) at(right.next).previous = best.left;
    right.size = 0;
    consider(left.previous, best.left);
    consider(best.left, left.next);
  }
}

std::vector<std::string> BpeModel::encode(std::string_view text) const {
  const std::string normal = normalize(text);
  auto symbols = split(normal);
  merge(normal, symbols);
  std::vector<std::string> pieces;
  bool after_unknown = false;
  for (const Symbol& symbol : symbols) {
    if (symbol.size == 0) continue;
    std::string piece = normal.substr(symbol.begin, symbol.size);
    const bool is_unknown = id(piece) == unknown_;
    if (is_unknown && byte_fallback_) {
      for (const char c : piece) pieces.push_back(fmt::format("<0x{:02X}>", static_cast<unsigned char>(c)));
    } else if (is_unknown && after_unknown) {
      pieces.back() += piece;  // a run of unknown characters is one piece
    } else {
      pieces.push_back(std::move(piece));
    }
    after_unknown = is_unknown;
  }
  return pieces;
}

}  // namespace greenroom::models::index_tts
