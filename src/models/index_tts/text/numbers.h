// Numbers in words.
#pragma once

#include <string>
#include <string_view>

namespace greenroom::models::index_tts {

// `digits` are 0-9 only and not empty. A number of more than 16 digits is read digit by digit.
std::u32string chinese_cardinal(std::u32string_view digits);  // 1024: 一千零二十四
std::u32string chinese_digits(std::u32string_view digits);    // 2025: 二零二五
std::u32string chinese_phone(std::u32string_view digits);     // 110: 幺幺零

std::u32string english_cardinal(std::u32string_view digits);  // 1024: one thousand twenty four
std::u32string english_digits(std::u32string_view digits);    // 2025: two zero two five
std::u32string english_ordinal(std::u32string_view digits);   // 21: twenty first
std::u32string english_year(std::u32string_view digits);      // 1999: nineteen ninety nine; four digits

}  // namespace greenroom::models::index_tts
