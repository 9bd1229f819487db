// A place in a text from which rules try to read on.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "models/index_tts/text/unicode.h"

namespace greenroom::models::index_tts {

// A number as written: 1,234.50
struct WrittenNumber {
  std::u32string digits;  // of the whole part, without the commas
  std::u32string fraction;
  bool grouped = false;  // had commas
};

// A cheap value: rules copy it, read on, and assign it back when they match. Borrows the text.
class Scanner {
 public:
  explicit Scanner(std::u32string_view text) : text_(text) {}

  bool done() const { return at_ >= text_.size(); }
  // 0 beyond the ends.
  char32_t peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : 0; }
  char32_t before(std::size_t back = 1) const { return at_ >= back ? text_[at_ - back] : 0; }
  std::size_t position() const { return at_; }
  std::u32string_view read_so_far() const { return text_.substr(0, at_); }
  std::u32string_view rest() const { return text_.substr(at_); }

  char32_t next() { return text_[at_++]; }
  void skip(std::size_t count) { at_ += count; }

  bool accept(char32_t c) {
    if (peek() != c || done()) return false;
    ++at_;
    return true;
  }
  bool accept_any(std::u32string_view set) {
    if (done() || set.find(peek()) == std::u32string_view::npos) return false;
    ++at_;
    return true;
  }
  // In any case of a-z.
  bool accept(std::u32string_view word) {
    if (!matches_at(text_, at_, word)) return false;
    at_ += word.size();
    return true;
  }
  bool skip_spaces() {
    const std::size_t from = at_;
    while (peek() == U' ') ++at_;
    return at_ > from;
  }

  // All digits from here, if there are between `fewest` and `most` of them.
  std::optional<std::u32string> digits(std::size_t fewest, std::size_t most) {
    std::size_t count = 0;
    while (is_digit(peek(count))) ++count;
    if (count < fewest || count > most) return std::nullopt;
    const auto found = std::u32string(text_.substr(at_, count));
    at_ += count;
    return found;
  }

  std::optional<WrittenNumber> number() {
    WrittenNumber number;
    auto whole = digits(1, text_.size());
    if (!whole) return std::nullopt;
    number.digits = std::move(*whole);
    constexpr std::size_t kGroup = 3;
    while (number.digits.size() <= kGroup || number.grouped) {
      if (peek() != U',' || !is_digit(peek(1)) || !is_digit(peek(2)) || !is_digit(peek(3)) ||
          is_digit(peek(4)))
        break;
      number.digits += text_.substr(at_ + 1, kGroup);
      number.grouped = true;
      at_ += kGroup + 1;
    }
    if (peek() == U'.' && is_digit(peek(1))) {
      ++at_;
      number.fraction = *digits(1, text_.size());
    }
    return number;
  }

 private:
  std::u32string_view text_;
  std::size_t at_ = 0;
};

// Emoji, controls, formatting marks and unassigned private characters (plane 15 excepted).
inline bool is_unspeakable(char32_t c) {
  if (c < 0x20) return c != U'\n' && c != U'\t';
  if (c >= 0x7F && c < 0xA0) return true;
  if (c >= 0x200B && c <= 0x200F) return true;
  if ((c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F)) return true;
  if (c == 0xFEFF || c == 0xFFFD || (c >= 0xFE00 && c <= 0xFE0F)) return true;
  if (c >= 0xE000 && c <= 0xF8FF) return true;
  if ((c >= 0x2600 && c <= 0x27BF) || (c >= 0x2B00 && c <= 0x2BFF) || (c >= 0x2300 && c <= 0x23FF))
    return true;
  return (c >= 0x1F000 && c <= 0x1FAFF) || (c >= 0xE0000 && c < 0xF0000) || c > 0xFFFFD;
}

// Full-width letters, digits and the ideographic space as their usual forms.
inline char32_t to_half_width(char32_t c) {
  if (c == 0x3000) return U' ';
  const bool letter_or_digit =
      (c >= 0xFF10 && c <= 0xFF19) || (c >= 0xFF21 && c <= 0xFF3A) || (c >= 0xFF41 && c <= 0xFF5A);
  if (letter_or_digit || c == 0xFF05 || c == 0xFF0B || c == 0xFF0F || c == 0xFF1D) return c - 0xFEE0;
  return c;
}

}  // namespace greenroom::models::index_tts
