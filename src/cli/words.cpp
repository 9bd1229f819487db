#include "cli/words.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace greenroom::cli {
namespace {

// The character at `at`, and past it; a byte that begins none counts as one.
std::uint32_t next_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const std::uint32_t first = byte(at);
  std::size_t length = 1;
  if (first >= 0xF0) {
    length = 4;
  } else if (first >= 0xE0) {
    length = 3;
  } else if (first >= 0xC0) {
    length = 2;
  }
  constexpr std::uint32_t kMasks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  std::uint32_t character = length == 1 ? first : first & kMasks[length];
  for (std::size_t i = 1; i < length; ++i) character = character << 6 | (byte(at + i) & 0x3F);
  at = std::min(at + length, text.size());
  return character;
}

// The blocks of East Asian characters of two columns (Unicode, EastAsianWidth.txt), as far as they occur
// here.
std::size_t columns_of(std::uint32_t character) {
  if (character < 0x20 || character == 0x7F) return 0;
  const bool wide =
      (character >= 0x1100 && character <= 0x115F) ||
      (character >= 0x2E80 && character <= 0xA4CF && character != 0x303F) ||
      (character >= 0xAC00 && character <= 0xD7A3) || (character >= 0xF900 && character <= 0xFAFF) ||
      (character >= 0xFE30 && character <= 0xFE6F) || (character >= 0xFF00 && character <= 0xFF60) ||
      (character >= 0xFFE0 && character <= 0xFFE6) || (character >= 0x1F300 && character <= 0x1F64F) ||
      (character >= 0x20000 && character <= 0x3FFFD);
  return wide ? 2 : 1;
}

}  // namespace

Language pick_language(std::string_view wanted) {
  if (wanted == "zh") return Language::kChinese;
  if (wanted == "en") return Language::kEnglish;
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == 0) continue;
    return std::string_view(value).starts_with("zh") ? Language::kChinese : Language::kEnglish;
  }
  return Language::kEnglish;
}

std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < utf8.size();) width += columns_of(next_character(utf8, at));
  return width;
}

std::string fit(std::string_view utf8, std::size_t columns) {
  std::string result;
  std::size_t width = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t begin = at;
    const std::size_t next = columns_of(next_character(utf8, at));
    if (width + next > columns) break;
    width += next;
    result += utf8.substr(begin, at - begin);
  }
  return result.append(columns - width, ' ');
}

std::string harmless(std::string_view utf8) {
  std::string result(utf8);
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return result;
}

std::string bar(double share, std::size_t columns) {
  const std::size_t inside = columns > 2 ? columns - 2 : 0;
  const auto filled =
      static_cast<std::size_t>(std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(inside)));
  return "[" + std::string(filled, '#') + std::string(inside - filled, '-') + "]";
}

}  // namespace greenroom::cli
