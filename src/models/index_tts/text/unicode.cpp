#include "models/index_tts/text/unicode.h"

#include <locale.h>
#include <wctype.h>

#include <array>
#include <utility>

namespace greenroom::models::index_tts {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// Length of a UTF-8 sequence by its first byte, 0 for a byte that begins none.
std::size_t sequence_length(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  if (first >= 0xF0 && first < 0xF5) return 4;
  return 0;
}

char32_t decode_one(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const std::size_t length = sequence_length(first);
  if (length == 1) return static_cast<char32_t>(text[at++]);
  if (length == 0 || at + length > text.size()) {
    ++at;
    return kReplacement;
  }
  constexpr std::array<unsigned, 5> kMasks{0, 0, 0x1F, 0x0F, 0x07};
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  char32_t value = first & kMasks[length];
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[at + i]);
    if ((next & 0xC0) != 0x80) {
      ++at;
      return kReplacement;
    }
    value = value << 6 | (next & 0x3F);
  }
  const bool is_surrogate = value >= 0xD800 && value < 0xE000;
  if (value < kSmallest[length] || value > 0x10FFFF || is_surrogate) {
    ++at;
    return kReplacement;
  }
  at += length;
  return value;
}

locale_t unicode_locale() {
  static const locale_t locale = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

// What one letter becomes when it becomes several.
std::u32string_view special_upper(char32_t c) {
  switch (c) {
    case 0x00DF:
      return U"SS";
    case 0x0149:
      return U"\u02BCN";
    case 0x01F0:
      return U"J\u030C";
    case 0xFB00:
      return U"FF";
    case 0xFB01:
      return U"FI";
    case 0xFB02:
      return U"FL";
    case 0xFB03:
      return U"FFI";
    case 0xFB04:
      return U"FFL";
    case 0xFB05:
    case 0xFB06:
      return U"ST";
    default:
      return {};
  }
}

}  // namespace

std::optional<std::size_t> first_invalid_byte(std::string_view utf8) {
  std::size_t at = 0;
  while (at < utf8.size()) {
    const std::size_t start = at;
    // A replacement character that stands in the text takes three bytes.
    if (decode_one(utf8, at) == kReplacement && at == start + 1) return start;
  }
  return std::nullopt;
}

std::u32string to_code_points(std::string_view utf8) {
  std::u32string result;
  result.reserve(utf8.size());
  for (std::size_t at = 0; at < utf8.size();) result += decode_one(utf8, at);
  return result;
}

std::string to_utf8(std::u32string_view text) {
  std::string result;
  result.reserve(text.size());
  const auto put = [&](char32_t bits) { result += static_cast<char>(static_cast<unsigned char>(bits)); };
  for (const char32_t c : text) {
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xC0 | c >> 6);
      put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      put(0xE0 | c >> 12);
      put(0x80 | (c >> 6 & 0x3F));
      put(0x80 | (c & 0x3F));
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
      put(0x80 | (c >> 6 & 0x3F));
      put(0x80 | (c & 0x3F));
    }
  }
  return result;
}

bool is_han(char32_t c) {
  return c >= 0x4E00 && c <= 0x9FFF;
}

// index-tts indextts/utils/common.py: tokenize_by_CJK_char()
bool is_cjk(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kRanges[] = {{0x1100, 0x11FF},  {0x2E80, 0xA4CF}, {0xA840, 0xD7AF},
                                                       {0xF900, 0xFAFF},  {0xFE30, 0xFE4F}, {0xFF65, 0xFFDC},
                                                       {0x20000, 0x2FFFF}};
  for (const auto& [first, last] : kRanges) {
    if (c >= first && c <= last) return true;
  }
  return false;
}

bool is_latin_letter(char32_t c) {
  return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
}

bool is_digit(char32_t c) {
  return c >= U'0' && c <= U'9';
}

bool is_space(char32_t c) {
  if ((c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20)) return true;
  if (c >= 0x2000 && c <= 0x200A) return true;
  constexpr char32_t kOthers[] = {0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
  for (const char32_t other : kOthers) {
    if (c == other) return true;
  }
  return false;
}

std::u32string_view strip_right(std::u32string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::u32string_view strip(std::u32string_view text) {
  text = strip_right(text);
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

std::u32string to_upper(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (const char32_t c : text) {
    if (c >= U'a' && c <= U'z') {
      result += c - U'a' + U'A';
    } else if (c < 0x80) {
      result += c;
    } else if (const auto special = special_upper(c); !special.empty()) {
      result += special;
    } else {
      result += static_cast<char32_t>(::towupper_l(static_cast<wint_t>(c), unicode_locale()));
    }
  }
  return result;
}

char32_t to_lower_ascii(char32_t c) {
  return c >= U'A' && c <= U'Z' ? c - U'A' + U'a' : c;
}

bool matches_at(std::u32string_view text, std::size_t at, std::u32string_view prefix) {
  if (at > text.size() || text.size() - at < prefix.size()) return false;
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    if (to_lower_ascii(text[at + i]) != to_lower_ascii(prefix[i])) return false;
  }
  return true;
}

void replace_all(std::u32string& text, std::u32string_view from, std::u32string_view to) {
  if (from.empty()) return;
  std::u32string result;
  std::size_t at = 0;
  for (;;) {
    const std::size_t found = text.find(from, at);
    if (found == std::u32string::npos) break;
    result.append(text, at, found - at);
    result += to;
    at = found + from.size();
  }
  if (at == 0) return;
  result.append(text, at);
  text = std::move(result);
}

}  // namespace greenroom::models::index_tts
