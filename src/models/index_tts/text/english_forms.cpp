#include <array>
#include <utility>

#include "models/index_tts/text/numbers.h"
#include "models/index_tts/text/rules.h"
#include "models/index_tts/text/scanner.h"
#include "models/index_tts/text/spoken_forms.h"
#include "models/index_tts/text/units.h"

namespace greenroom::models::index_tts {
namespace {

using Text = std::u32string;
using View = std::u32string_view;

bool in_range(View digits, int low, int high) {
  const int value = to_int(digits);
  return value >= low && value <= high;
}

Text spoken(const WrittenNumber& number) {
  Text text = english_cardinal(number.digits);
  if (!number.fraction.empty()) text += U" point " + english_digits(number.fraction);
  return text;
}

bool is_one(const WrittenNumber& number) {
  return number.digits == U"1" && number.fraction.empty();
}

bool is_word_character(char32_t c) {
  return is_latin_letter(c) || is_digit(c);
}

bool begins_word(const Scanner& scanner) {
  return !is_word_character(scanner.before());
}

struct Pair {
  View written;
  View spoken;
};

// Mr. Smith, etc., vs.
bool read_abbreviation(Scanner& scanner, Text& out) {
  constexpr std::array<Pair, 18> kAbbreviations{{{U"Mr.", U"mister"},
                                                 {U"Mrs.", U"misses"},
                                                 {U"Ms.", U"miss"},
                                                 {U"Dr.", U"doctor"},
                                                 {U"Prof.", U"professor"},
                                                 {U"St.", U"saint"},
                                                 {U"Jr.", U"junior"},
                                                 {U"Sr.", U"senior"},
                                                 {U"etc.", U"et cetera"},
                                                 {U"e.g.", U"for example"},
                                                 {U"i.e.", U"that is"},
                                                 {U"vs.", U"versus"},
                                                 {U"approx.", U"approximately"},
                                                 {U"Inc.", U"incorporated"},
                                                 {U"Ltd.", U"limited"},
                                                 {U"Ave.", U"avenue"},
                                                 {U"Blvd.", U"boulevard"},
                                                 {U"Gov.", U"governor"}}};
  if (!begins_word(scanner)) return false;
  for (const auto& [written, name] : kAbbreviations) {
    if (!scanner.rest().starts_with(written)) continue;
    scanner.skip(written.size());
    out += name;
    return true;
  }
  Scanner at = scanner;
  if (at.rest().starts_with(U"No.") && (at.skip(3), at.skip_spaces(), is_digit(at.peek()))) {
    out += U"number ";
    scanner = at;
    return true;
  }
  return false;
}

constexpr std::array<View, 12> kMonths{U"January",   U"February", U"March",    U"April",
                                       U"May",       U"June",     U"July",     U"August",
                                       U"September", U"October",  U"November", U"December"};

bool is_year(View digits) {
  return digits.size() == 4 && in_range(digits, 1000, 2999);
}

bool read_ordinal_suffix(Scanner& at) {
  for (const View suffix : {U"st", U"nd", U"rd", U"th"}) {
    Scanner after = at;
    if (after.accept(suffix) && !is_latin_letter(after.peek())) {
      at = after;
      return true;
    }
  }
  return false;
}

// "January 5, 2024", "Jan. 5th": the day, and the year behind it
bool read_month_day(Scanner& scanner, Text& out) {
  if (!begins_word(scanner)) return false;
  for (const View month : kMonths) {
    Scanner at = scanner;
    constexpr std::size_t kShort = 3;
    if (at.rest().starts_with(month)) {
      at.skip(month.size());
    } else if (at.rest().starts_with(Text(month.substr(0, kShort)) + U".")) {
      at.skip(kShort + 1);
    } else {
      continue;
    }
    if (!at.accept(U' ')) return false;
    const auto number = at.digits(1, 4);
    if (!number) return false;
    Text text(month);
    if (is_year(*number)) {
      text += U" " + english_year(*number);
    } else if (in_range(*number, 1, 31) && number->size() <= 2) {
      read_ordinal_suffix(at);
      if (is_word_character(at.peek())) return false;
      text += U" " + english_ordinal(*number);
      Scanner year_at = at;
      year_at.accept(U',');
      year_at.skip_spaces();
      const auto year = year_at.digits(4, 4);
      if (year && is_year(*year)) {
        text += (at.peek() == U',' ? U", " : U" ") + english_year(*year);
        at = year_at;
      }
    } else {
      return false;
    }
    out += text;
    scanner = at;
    return true;
  }
  return false;
}

// 2024-01-05, 2024/1/5, 01/05/2024
bool read_numeric_date(Scanner& scanner, Text& out) {
  if (!begins_word(scanner)) return false;
  Scanner at = scanner;
  const auto first = at.digits(1, 4);
  if (!first) return false;
  const char32_t mark = at.peek();
  if (!at.accept_any(U"-/")) return false;
  const auto second = at.digits(1, 2);
  if (!second || !at.accept(mark)) return false;
  const auto third = at.digits(1, 4);
  if (!third || is_word_character(at.peek()) || at.peek() == mark) return false;
  const bool year_first = is_year(*first);
  if (!year_first && !is_year(*third)) return false;
  const Text& year = year_first ? *first : *third;
  const Text& month = year_first ? *second : *first;
  const Text& day = year_first ? *third : *second;
  if (!in_range(month, 1, 12) || !in_range(day, 1, 31) || day.size() > 2 || month.size() > 2) return false;
  out += Text(kMonths[static_cast<std::size_t>(to_int(month)) - 1]) + U" " + english_ordinal(day) + U", " +
         english_year(year);
  scanner = at;
  return true;
}

// 8:00 AM, 20:30, 9 p.m.
bool read_time(Scanner& scanner, Text& out) {
  if (!begins_word(scanner)) return false;
  Scanner at = scanner;
  const auto hour = at.digits(1, 2);
  if (!hour || !in_range(*hour, 0, 24)) return false;
  Text text = english_cardinal(*hour);
  const bool has_minutes = at.accept(U':');
  std::optional<Text> minute;
  if (has_minutes) {
    minute = at.digits(2, 2);
    if (!minute || !in_range(*minute, 0, 59) || at.peek() == U':' || is_digit(at.peek())) return false;
  }
  Scanner half = at;
  half.skip_spaces();
  const bool morning = half.accept(U"a.m.") || half.accept(U"am");
  const bool evening = !morning && (half.accept(U"p.m.") || half.accept(U"pm"));
  const bool has_half = (morning || evening) && !is_latin_letter(half.peek());
  if (!has_minutes && !has_half) return false;
  if (minute && *minute != U"00") {
    text += (minute->front() == U'0' ? U" oh " : U" ") + english_cardinal(*minute);
  } else if (!has_half) {
    text += U" o'clock";
  }
  if (has_half) {
    text += morning ? U" A M" : U" P M";
    // The point of "a.m." at the end also ends the sentence.
    const bool ends = half.before() == U'.' && half.done();
    at = half;
    if (ends) text += U".";
  }
  out += text;
  scanner = at;
  return true;
}

struct Currency {
  View sign;
  View one;
  View many;
  View part;
  View parts;
};

// $12.50, €3 million, £1
bool read_money(Scanner& scanner, Text& out) {
  constexpr std::array<Currency, 6> kCurrencies{{{U"US$", U"dollar", U"dollars", U"cent", U"cents"},
                                                 {U"$", U"dollar", U"dollars", U"cent", U"cents"},
                                                 {U"€", U"euro", U"euros", U"cent", U"cents"},
                                                 {U"£", U"pound", U"pounds", U"penny", U"pence"},
                                                 {U"¥", U"yuan", U"yuan", U"fen", U"fen"},
                                                 {U"₹", U"rupee", U"rupees", U"paisa", U"paise"}}};
  for (const auto& currency : kCurrencies) {
    Scanner at = scanner;
    if (!at.accept(currency.sign)) continue;
    at.skip_spaces();
    const auto number = at.number();
    if (!number) continue;
    Scanner scale_at = at;
    scale_at.skip_spaces();
    constexpr std::array<Pair, 8> kScales{{{U"thousand", U"thousand"},
                                           {U"million", U"million"},
                                           {U"billion", U"billion"},
                                           {U"trillion", U"trillion"},
                                           {U"k", U"thousand"},
                                           {U"m", U"million"},
                                           {U"bn", U"billion"},
                                           {U"b", U"billion"}}};
    for (const auto& [written, name] : kScales) {
      Scanner after = scale_at;
      if (!after.accept(written) || is_word_character(after.peek())) continue;
      out += spoken(*number) + U" " + Text(name) + U" " + Text(currency.many);
      scanner = after;
      return true;
    }
    const bool has_parts = number->fraction.size() == 2;
    if (!number->fraction.empty() && !has_parts) {
      out += spoken(*number) + U" " + Text(currency.many);
    } else {
      const bool has_whole = number->digits != U"0" || !has_parts;
      if (has_whole)
        out += english_cardinal(number->digits) + U" " +
               Text(number->digits == U"1" ? currency.one : currency.many);
      if (has_parts && number->fraction != U"00") {
        if (has_whole) out += U" and ";
        out += english_cardinal(number->fraction) + U" " +
               Text(number->fraction == U"01" ? currency.part : currency.parts);
      }
    }
    scanner = at;
    return true;
  }
  return false;
}

// 555-1234, 555-123-4567, (415) 555-2671, +1 415 555 2671
bool read_phone(Scanner& scanner, Text& out) {
  if (!begins_word(scanner)) return false;
  Scanner at = scanner;
  const bool international = at.accept(U'+');
  const bool bracket = !international && at.accept(U'(');
  Text text;
  std::size_t digits = 0;
  int groups = 0;
  for (;;) {
    const auto group = at.digits(1, 4);
    if (!group) break;
    if (groups > 0) text += U", ";
    text += english_digits(*group);
    digits += group->size();
    ++groups;
    if (bracket && groups == 1 && !at.accept(U')')) return false;
    if (bracket && groups == 1) at.skip_spaces();
    if (bracket && groups == 1) continue;
    const bool more = (at.peek() == U'-' || (international && at.peek() == U' ')) && is_digit(at.peek(1));
    if (!more) break;
    at.skip(1);
  }
  if (is_word_character(at.peek())) return false;
  const bool local = groups == 2 && digits == 7;
  if (!local && !(groups >= 3 && digits >= 10)) return false;
  out += (international ? U"plus " : U"") + text;
  scanner = at;
  return true;
}

// 1920x1080
bool read_dimensions(Scanner& scanner, Text& out) {
  if (!begins_word(scanner)) return false;
  Scanner at = scanner;
  const auto width = at.digits(1, 6);
  if (!width || !at.accept_any(U"xX×")) return false;
  const auto height = at.digits(1, 6);
  if (!height || is_word_character(at.peek())) return false;
  out += english_cardinal(*width) + U" by " + english_cardinal(*height);
  scanner = at;
  return true;
}

// 1/2, 3/4, 5/8
bool read_fraction(Scanner& scanner, Text& out) {
  if (!begins_word(scanner)) return false;
  Scanner at = scanner;
  const auto above = at.digits(1, 2);
  if (!above || !at.accept(U'/')) return false;
  const auto below = at.digits(1, 3);
  if (!below || to_int(*below) < 2 || is_word_character(at.peek()) || at.peek() == U'/') return false;
  Text name = *below == U"2" ? U"half" : *below == U"4" ? U"quarter" : english_ordinal(*below);
  if (*above != U"1") name = *below == U"2" ? U"halves" : name + U"s";
  out += english_cardinal(*above) + U" " + name;
  scanner = at;
  return true;
}

// 10-20, 2010–2020, 5-10 kg
bool read_range(Scanner& scanner, Text& out) {
  if (!begins_word(scanner)) return false;
  Scanner at = scanner;
  const auto low = at.number();
  if (!low) return false;
  Scanner low_unit_at = at;
  const EnglishUnit* low_unit = accept_english_unit(low_unit_at);
  if (low_unit != nullptr) at = low_unit_at;
  if (!at.accept_any(U"-–~")) return false;
  const auto high = at.number();
  if (!high || is_word_character(at.peek()) || at.peek() == U'-') {
    Scanner unit_at = at;
    if (!high || accept_english_unit(unit_at) == nullptr) return false;
  }
  const bool years =
      is_year(low->digits) && is_year(high->digits) && low->fraction.empty() && high->fraction.empty();
  const auto read = [&](const WrittenNumber& number) {
    return years ? english_year(number.digits) : spoken(number);
  };
  out += read(*low);
  if (low_unit != nullptr) out += U" " + Text(low_unit->many);
  out += U" to " + read(*high);
  if (const EnglishUnit* unit = accept_english_unit(at)) out += U" " + Text(unit->many);
  scanner = at;
  return true;
}

bool read_version(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  Text text;
  int parts = 0;
  for (;;) {
    const auto part = at.digits(1, 5);
    if (!part) return false;
    if (parts > 0) text += U" point ";
    text += part->size() > 2 ? english_digits(*part) : english_cardinal(*part);
    ++parts;
    if (!(at.peek() == U'.' && is_digit(at.peek(1)))) break;
    at.skip(1);
  }
  constexpr int kFewest = 3;
  if (parts < kFewest) return false;
  out += text;
  scanner = at;
  return true;
}

// Is a bare four-digit number here a year?
bool reads_as_year(const Scanner& scanner, const Scanner& after) {
  constexpr std::array<View, 12> kBefore{U"in",   U"since",  U"of",    U"by", U"until", U"from",
                                         U"year", U"before", U"after", U"to", U"and",   U"between"};
  if (after.peek() == U's') return true;
  View before = strip_right(scanner.read_so_far());
  for (const View word : kBefore) {
    if (before.size() < word.size() || !matches_at(before, before.size() - word.size(), word)) continue;
    if (before.size() == word.size() || !is_latin_letter(before[before.size() - word.size() - 1]))
      return true;
  }
  return false;
}

// 1990s: nineteen nineties
Text decade(View year) {
  Text text = english_year(year);
  if (text.back() != U'y') return text + U"s";
  return text.substr(0, text.size() - 1) + U"ies";
}

bool read_year(Scanner& scanner, Text& out) {
  if (!begins_word(scanner)) return false;
  Scanner at = scanner;
  const auto year = at.digits(4, 4);
  if (!year || !in_range(*year, 1100, 2099)) return false;
  const bool goes_on = (at.peek() == U'.' || at.peek() == U',') && is_digit(at.peek(1));
  if (goes_on || !reads_as_year(scanner, at)) return false;
  Scanner after = at;
  if (after.accept(U's') && !is_word_character(after.peek())) {
    out += decade(*year);
    scanner = after;
    return true;
  }
  if (is_word_character(at.peek())) return false;
  Scanner unit_at = at;
  if (accept_english_unit(unit_at) != nullptr) return false;
  out += english_year(*year);
  scanner = at;
  return true;
}

// A number that stands alone, its ordinal ending or its unit
bool read_number(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  const auto number = at.number();
  if (!number) return false;
  const bool has_leading_zero = number->digits.size() > 1 && number->digits.front() == U'0';
  const bool is_part_of_a_name =
      !number->grouped && is_latin_letter(scanner.before()) && number->digits.size() > 2;
  Text text;
  Scanner ordinal = at;
  Scanner unit_at = at;
  if (number->fraction.empty() && read_ordinal_suffix(ordinal)) {
    text = english_ordinal(number->digits);
    at = ordinal;
  } else if (const EnglishUnit* unit = accept_english_unit(unit_at)) {
    text = spoken(*number) + U" " + Text(is_one(*number) ? unit->one : unit->many);
    at = unit_at;
  } else if (number->fraction.empty() && (has_leading_zero || is_part_of_a_name)) {
    text = english_digits(number->digits);
  } else {
    text = spoken(*number);
  }
  if (is_latin_letter(scanner.before())) out += U' ';
  out += text;
  if (is_latin_letter(at.peek())) out += U' ';
  scanner = at;
  return true;
}

bool read_negative(Scanner& scanner, Text& out) {
  const char32_t before = scanner.before();
  if (is_word_character(before) || before == U')') return false;
  Scanner at = scanner;
  if (!at.accept_any(U"-−") || !is_digit(at.peek())) return false;
  Text number;
  if (!read_number(at, number)) return false;
  out += U"minus " + number;
  scanner = at;
  return true;
}

// A sign between words or numbers, with spaces around its name
bool read_symbol(Scanner& scanner, Text& out) {
  constexpr std::array<std::pair<char32_t, View>, 12> kSymbols{{{U'&', U"and"},
                                                                {U'@', U"at"},
                                                                {U'#', U"number"},
                                                                {U'%', U"percent"},
                                                                {U'+', U"plus"},
                                                                {U'=', U"equals"},
                                                                {U'×', U"times"},
                                                                {U'÷', U"divided by"},
                                                                {U'<', U"less than"},
                                                                {U'>', U"greater than"},
                                                                {U'≈', U"about"},
                                                                {U'*', U"times"}}};
  for (const auto& [symbol, name] : kSymbols) {
    Scanner at = scanner;
    if (!at.accept(symbol)) continue;
    const bool word = symbol == U'&' || symbol == U'@' || symbol == U'#' || symbol == U'%';
    std::size_t back = 1;
    while (scanner.before(back) == U' ') ++back;
    at.skip_spaces();
    if (!word && !(is_word_character(scanner.before(back)) && is_word_character(at.peek()))) return false;
    if (!out.empty() && out.back() != U' ') out += U' ';
    out += name;
    if (is_word_character(at.peek())) out += U' ';
    scanner = at;
    return true;
  }
  return false;
}

// In the order in which they are tried.
constexpr std::array<Rule, 14> kRules{read_abbreviation, read_month_day, read_numeric_date, read_time,
                                      read_money,        read_phone,     read_dimensions,   read_fraction,
                                      read_range,        read_version,   read_year,         read_negative,
                                      read_number,       read_symbol};

}  // namespace

std::u32string spoken_english(std::u32string_view written) {
  return apply_rules(written, kRules);
}

}  // namespace greenroom::models::index_tts
