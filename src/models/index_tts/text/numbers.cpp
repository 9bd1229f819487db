#include "models/index_tts/text/numbers.h"

#include <array>
#include <cstdint>
#include <utility>

namespace greenroom::models::index_tts {
namespace {

using Text = std::u32string;
using View = std::u32string_view;

constexpr std::size_t kMostDigits = 16;
constexpr View kChineseDigits = U"零一二三四五六七八九";

std::uint64_t value_of(View digits) {
  std::uint64_t value = 0;
  for (const char32_t c : digits) value = value * 10 + (c - U'0');
  return value;
}

View without_leading_zeros(View digits) {
  while (digits.size() > 1 && digits.front() == U'0') digits.remove_prefix(1);
  return digits;
}

// Below ten thousand. `leading`: nothing stands before it.
Text chinese_group(unsigned value, bool leading) {
  constexpr std::array<std::pair<unsigned, View>, 3> kUnits{{{1000, U"千"}, {100, U"百"}, {10, U"十"}}};
  Text text;
  bool gap = !leading && value < 1000;
  bool first = leading;
  for (const auto& [size, name] : kUnits) {
    const unsigned digit = value / size;
    value %= size;
    if (digit == 0) {
      gap = gap || !text.empty();
      continue;
    }
    if (gap && !(text.empty() && leading)) text += U'零';
    gap = false;
    if (!(digit == 1 && size == 10 && first))
      text += digit == 2 && size == 1000 ? U'两' : kChineseDigits[digit];
    text += name;
    first = false;
  }
  if (value > 0) {
    if (gap && !(text.empty() && leading)) text += U'零';
    text += kChineseDigits[value];
  }
  return text;
}

constexpr std::array<View, 20> kEnglishSmall{U"zero",    U"one",     U"two",       U"three",    U"four",
                                             U"five",    U"six",     U"seven",     U"eight",    U"nine",
                                             U"ten",     U"eleven",  U"twelve",    U"thirteen", U"fourteen",
                                             U"fifteen", U"sixteen", U"seventeen", U"eighteen", U"nineteen"};
constexpr std::array<View, 10> kEnglishTens{U"",      U"",      U"twenty",  U"thirty", U"forty",
                                            U"fifty", U"sixty", U"seventy", U"eighty", U"ninety"};

void add_word(Text& text, View word) {
  if (!text.empty()) text += U' ';
  text += word;
}

// Below a thousand.
Text english_group(unsigned value) {
  Text text;
  if (value >= 100) {
    add_word(text, kEnglishSmall[value / 100]);
    add_word(text, U"hundred");
    value %= 100;
    if (value == 0) return text;
  }
  if (value < kEnglishSmall.size()) {
    add_word(text, kEnglishSmall[value]);
    return text;
  }
  add_word(text, kEnglishTens[value / 10]);
  if (value % 10 != 0) add_word(text, kEnglishSmall[value % 10]);
  return text;
}

Text by_digit(View digits, View names) {
  Text text;
  for (const char32_t c : digits) text += names[c - U'0'];
  return text;
}

}  // namespace

Text chinese_digits(View digits) {
  return by_digit(digits, kChineseDigits);
}

Text chinese_phone(View digits) {
  return by_digit(digits, U"零幺二三四五六七八九");
}

Text chinese_cardinal(View digits) {
  digits = without_leading_zeros(digits);
  if (digits.size() > kMostDigits) return chinese_digits(digits);
  std::uint64_t value = value_of(digits);
  if (value == 0) return U"零";
  constexpr std::array<std::pair<std::uint64_t, View>, 4> kUnits{
      {{1'0000'0000'0000, U"万亿"}, {1'0000'0000, U"亿"}, {1'0000, U"万"}, {1, U""}}};
  Text text;
  bool gap = false;
  for (const auto& [size, name] : kUnits) {
    const auto group = static_cast<unsigned>(value / size);
    value %= size;
    if (group == 0) {
      gap = !text.empty();
      continue;
    }
    if (group == 2 && size > 1 && text.empty()) {
      text += U"两";
    } else {
      const bool joins = !text.empty() && gap && group >= 1000;
      if (joins) text += U'零';
      text += chinese_group(group, text.empty());
    }
    text += name;
    gap = false;
  }
  return text;
}

Text english_cardinal(View digits) {
  digits = without_leading_zeros(digits);
  if (digits.size() > kMostDigits - 1) return english_digits(digits);
  std::uint64_t value = value_of(digits);
  if (value == 0) return U"zero";
  constexpr std::array<std::pair<std::uint64_t, View>, 5> kUnits{{{1'000'000'000'000, U"trillion"},
                                                                  {1'000'000'000, U"billion"},
                                                                  {1'000'000, U"million"},
                                                                  {1'000, U"thousand"},
                                                                  {1, U""}}};
  Text text;
  for (const auto& [size, name] : kUnits) {
    const auto group = static_cast<unsigned>(value / size);
    value %= size;
    if (group == 0) continue;
    add_word(text, english_group(group));
    if (!name.empty()) add_word(text, name);
  }
  return text;
}

Text english_digits(View digits) {
  Text text;
  for (const char32_t c : digits) add_word(text, kEnglishSmall[c - U'0']);
  return text;
}

Text english_ordinal(View digits) {
  Text text = english_cardinal(digits);
  const std::size_t space = text.rfind(U' ');
  const std::size_t from = space == Text::npos ? 0 : space + 1;
  const Text last = text.substr(from);
  constexpr std::array<std::pair<View, View>, 7> kIrregular{{{U"one", U"first"},
                                                             {U"two", U"second"},
                                                             {U"three", U"third"},
                                                             {U"five", U"fifth"},
                                                             {U"eight", U"eighth"},
                                                             {U"nine", U"ninth"},
                                                             {U"twelve", U"twelfth"}}};
  for (const auto& [cardinal, ordinal] : kIrregular) {
    if (last == cardinal) return text.substr(0, from) + Text(ordinal);
  }
  if (last.back() == U'y') return text.substr(0, text.size() - 1) + U"ieth";
  return text + U"th";
}

Text english_year(View digits) {
  const auto value = static_cast<unsigned>(value_of(digits));
  const unsigned century = value / 100;
  const unsigned rest = value % 100;
  const bool in_thousands = century % 10 == 0 && (rest < 10 || century < 10);
  if (in_thousands) return english_cardinal(digits);
  Text text = english_group(century);
  if (rest == 0) return text + U" hundred";
  if (rest < 10) text += U" oh";
  add_word(text, english_group(rest));
  return text;
}

}  // namespace greenroom::models::index_tts
