// Text as code points, for rules that speak of characters.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace greenroom::models::index_tts {

// A byte that is not part of valid UTF-8 becomes U+FFFD.
std::u32string to_code_points(std::string_view utf8);
// Where the first such byte is.
std::optional<std::size_t> first_invalid_byte(std::string_view utf8);
std::string to_utf8(std::u32string_view text);

bool is_han(char32_t c);           // U+4E00..U+9FFF, what upstream calls Chinese
bool is_cjk(char32_t c);           // what upstream sets apart, character by character
bool is_latin_letter(char32_t c);  // a-z, A-Z
bool is_digit(char32_t c);         // 0-9
bool is_space(char32_t c);         // as Python's str.isspace

std::u32string_view strip(std::u32string_view text);
std::u32string_view strip_right(std::u32string_view text);

// As Python's str.upper, the special cases of Latin letters included.
std::u32string to_upper(std::u32string_view text);
char32_t to_lower_ascii(char32_t c);

// Does `text` begin with `prefix` at `at`, in any case of a-z?
bool matches_at(std::u32string_view text, std::size_t at, std::u32string_view prefix);

void replace_all(std::u32string& text, std::u32string_view from, std::u32string_view to);

}  // namespace greenroom::models::index_tts
