#include <array>
#include <utility>
#include <vector>

#include "models/index_tts/text/numbers.h"
#include "models/index_tts/text/rules.h"
#include "models/index_tts/text/scanner.h"
#include "models/index_tts/text/spoken_forms.h"
#include "models/index_tts/text/units.h"

namespace greenroom::models::index_tts {
namespace {

using Text = std::u32string;
using View = std::u32string_view;

Text spoken(const WrittenNumber& number) {
  Text text = chinese_cardinal(number.digits);
  if (!number.fraction.empty()) text += U"点" + chinese_digits(number.fraction);
  return text;
}

bool in_range(View digits, int low, int high) {
  const int value = to_int(digits);
  return value >= low && value <= high;
}

// What one counts, where 2 is 两.
bool counts_things(View rest) {
  constexpr View kCounters =
      U"个只次天年周位名人件条张本台辆家种层句杯瓶块份双对组页场部首支枝把座间套轮声遍倍岁斤米元分秒";
  if (rest.empty()) return false;
  if (rest.front() == U'分') return rest.starts_with(U"分钟");
  if (rest.starts_with(U"小时") || rest.starts_with(U"毫") || rest.starts_with(U"星期") ||
      rest.starts_with(U"公"))
    return true;
  return kCounters.find(rest.front()) != View::npos;
}

// `begin`: where the number begins.
Text counted(const WrittenNumber& number, const Scanner& begin, const Scanner& after) {
  const bool in_a_sum = begin.before() != 0 && View(U"+-×÷*/第").find(begin.before()) != View::npos;
  const bool is_scaled = after.peek() == U'万' || after.peek() == U'亿' || after.peek() == U'千';
  const bool is_two = number.digits == U"2" && number.fraction.empty() && !in_a_sum;
  if (is_two && (is_scaled || counts_things(after.rest()))) return U"两";
  return spoken(number);
}

// 2025年1月11日, 1月11日, 2025年
bool read_date(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  Text text;
  const auto year = at.digits(2, 4);
  // Two digits are a year when a month follows, or when they are unlikely to count years (98年, but 60年,
  // 90年代).
  constexpr int kFirstShortYear = 80;
  const bool is_short = year && year->size() == 2 && at.peek(1) != U'代' && at.peek(1) != U'来' &&
                        (is_digit(at.peek(1)) || to_int(*year) > kFirstShortYear);
  if (year && at.accept(U'年') && (year->size() == 4 || is_short)) {
    text = chinese_digits(*year) + U"年";
  } else {
    at = scanner;
  }
  Scanner month_at = at;
  const auto month = month_at.digits(1, 2);
  if (month && in_range(*month, 1, 12) && month_at.accept(U'月')) {
    text += chinese_cardinal(*month) + U"月";
    at = month_at;
    const auto day = month_at.digits(1, 2);
    if (day && in_range(*day, 1, 31) && (month_at.peek() == U'日' || month_at.peek() == U'号')) {
      text += chinese_cardinal(*day);
      text += month_at.next();
      at = month_at;
    }
  }
  if (text.empty()) return false;
  out += text;
  scanner = at;
  return true;
}

// 01/11/2025
bool read_american_date(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  const auto month = at.digits(1, 2);
  if (!month || !in_range(*month, 1, 12) || !at.accept(U'/')) return false;
  const auto day = at.digits(1, 2);
  if (!day || !in_range(*day, 1, 31) || !at.accept(U'/')) return false;
  const auto year = at.digits(4, 4);
  if (!year) return false;
  out += chinese_digits(*year) + U"年" + chinese_cardinal(*month) + U"月" + chinese_cardinal(*day) + U"日";
  scanner = at;
  return true;
}

// 2025-01-11, 2025/1/11, 2025.1.11
bool read_numeric_date(Scanner& scanner, Text& out) {
  if (read_american_date(scanner, out)) return true;
  Scanner at = scanner;
  const auto year = at.digits(4, 4);
  if (!year || !in_range(*year, 1000, 2999)) return false;
  const char32_t mark = at.peek();
  if (!at.accept_any(U"-/.")) return false;
  const auto month = at.digits(1, 2);
  if (!month || !in_range(*month, 1, 12) || !at.accept(mark)) return false;
  const auto day = at.digits(1, 2);
  if (!day || !in_range(*day, 1, 31) || (at.peek() == mark && is_digit(at.peek(1)))) return false;
  out += chinese_digits(*year) + U"年" + chinese_cardinal(*month) + U"月" + chinese_cardinal(*day) + U"日";
  scanner = at;
  return true;
}

bool read_clock(Scanner& at, Text& text) {
  const auto hour = at.digits(1, 2);
  if (!hour || !in_range(*hour, 0, 24) || !at.accept_any(U":：")) return false;
  const auto minute = at.digits(2, 2);
  if (!minute || !in_range(*minute, 0, 59)) return false;
  const auto two = [](View digits) {
    return (digits.front() == U'0' ? U"零" : U"") + chinese_cardinal(digits);
  };
  text = (*hour == U"2" ? U"两" : chinese_cardinal(*hour)) + U"点";
  Scanner second_at = at;
  std::optional<Text> second;
  if (second_at.accept_any(U":：")) second = second_at.digits(2, 2);
  if (second && in_range(*second, 0, 59)) {
    at = second_at;
    text += two(*minute) + U"分" + two(*second) + U"秒";
  } else if (*minute != U"00") {
    text += two(*minute) + U"分";
  }
  return true;
}

// 20:00, 8:05 PM, 9:00-17:30
bool read_time(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  Text text;
  for (const View score : {U"比分", U"比分是", U"比分为", U"以"}) {
    if (scanner.read_so_far().ends_with(score)) return false;
  }
  if (!read_clock(at, text) || is_digit(at.peek())) return false;
  Scanner half = at;
  half.skip_spaces();
  const bool morning = half.accept(U"a.m.") || half.accept(U"am");
  const bool evening = !morning && (half.accept(U"p.m.") || half.accept(U"pm"));
  if ((morning || evening) && !is_latin_letter(half.peek())) {
    at = half;
    text = (morning ? U"上午" : U"下午") + text;
  }
  Scanner until = at;
  Text end;
  if (until.accept_any(U"-~～—") && read_clock(until, end)) {
    text += U"到" + end;
    at = until;
  }
  out += text;
  scanner = at;
  return true;
}

// ¥99, $12.5, €3万
bool read_money(Scanner& scanner, Text& out) {
  constexpr std::array<std::pair<View, View>, 11> kCurrencies{{{U"US$", U"美元"},
                                                               {U"HK$", U"港元"},
                                                               {U"¥", U"元"},
                                                               {U"￥", U"元"},
                                                               {U"$", U"美元"},
                                                               {U"＄", U"美元"},
                                                               {U"€", U"欧元"},
                                                               {U"£", U"英镑"},
                                                               {U"₩", U"韩元"},
                                                               {U"RMB", U"元"},
                                                               {U"USD", U"美元"}}};
  for (const auto& [sign, name] : kCurrencies) {
    Scanner at = scanner;
    if (!at.accept(sign)) continue;
    at.skip_spaces();
    const auto number = at.number();
    if (!number) continue;
    out += number->digits == U"2" && number->fraction.empty() ? Text(U"两") : spoken(*number);
    for (const char32_t scale : U"千百万亿") {
      if (scale != 0 && at.accept(scale)) out += scale;
    }
    if (!(at.peek() == U'元')) out += name;
    scanner = at;
    return true;
  }
  return false;
}

bool accept_range_mark(Scanner& at) {
  return at.accept_any(U"-~～—–至到");
}

// 12.5%, 10%-20%, 10-20%, 3‰
bool read_percentage(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  const auto low = at.number();
  if (!low) return false;
  Scanner high_at = at;
  high_at.accept(U'%');
  if (accept_range_mark(high_at)) {
    const auto high = high_at.number();
    if (high && high_at.accept(U'%')) {
      out += U"百分之" + spoken(*low) + U"到百分之" + spoken(*high);
      scanner = high_at;
      return true;
    }
  }
  const bool percent = at.accept(U'%');
  if (!percent && !at.accept(U'‰')) return false;
  out += (percent ? U"百分之" : U"千分之") + spoken(*low);
  scanner = at;
  return true;
}

bool is_mobile(View digits) {
  return digits.size() == 11 && digits[0] == U'1' && digits[1] >= U'3';
}

bool comes_after_phone_word(const Scanner& scanner) {
  constexpr std::array<View, 10> kWords{U"电话", U"拨打", U"热线", U"报警", U"致电",
                                        U"号码", U"手机", U"拨",   U"打",   U"手机号"};
  View before = scanner.read_so_far();
  while (!before.empty() && View(U" :：是为,，").find(before.back()) != View::npos) before.remove_suffix(1);
  for (const View word : kWords) {
    if (before.ends_with(word)) return true;
  }
  return false;
}

// 13812345678, 135-4567-8900, 010-12345678, 400-820-8820, +86 138…, 拨打110
bool read_phone(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  const bool international = at.accept(U'+');
  std::vector<Text> groups;
  Text all;
  for (;;) {
    const auto group = at.digits(2, 12);
    if (!group) break;
    groups.push_back(*group);
    all += *group;
    const bool more = (at.peek() == U'-' || (international && at.peek() == U' ')) && is_digit(at.peek(1));
    if (!more) break;
    at.skip(1);
  }
  if (groups.empty() || is_digit(at.peek()) || at.peek() == U'.') return false;
  const bool grouped =
      groups.size() >= 2 && all.size() >= 10 && all.size() <= 14 &&
      (all.front() == U'0' || all.front() == U'1' || all.front() == U'4' || all.front() == U'8');
  const bool is_amount =
      counts_things(at.rest()) || at.peek() == U'折' || at.peek() == U'分' || at.peek() == U'多';
  const bool named = comes_after_phone_word(scanner) && !is_amount && all.size() >= 3 && all.size() <= 12;
  if (!(international && all.size() >= 10) && !grouped && !named && !(groups.size() == 1 && is_mobile(all)))
    return false;
  if (international) out += U"加";
  for (const auto& group : groups) out += chinese_phone(group);
  scanner = at;
  return true;
}

bool follows_value(const Scanner& scanner) {
  const char32_t c = scanner.before();
  return is_digit(c) || is_latin_letter(c) || c == U')' || c == U'）' || c == U'%';
}

// 3-5天, 10~20kg: from one number to another with the same unit
bool read_range(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  const auto low = at.number();
  if (!low || low->digits.size() > 5) return false;
  const View low_unit = accept_chinese_unit(at);
  if (!at.accept_any(U"-~～—–")) return false;
  const auto high = at.number();
  if (!high || high->digits.size() > 5 || (at.peek() == U'-' && is_digit(at.peek(1)))) return false;
  const View unit = accept_chinese_unit(at);
  if (at.peek() == U'=') {
    out += spoken(*low) + U"减" + spoken(*high);
    scanner = at;
    return true;
  }
  const bool continues = !unit.empty() || at.done() || !is_latin_letter(at.peek());
  if (!continues) return false;
  const bool both_years = low->digits.size() == 4 && high->digits.size() == 4 && at.peek() == U'年';
  const auto read = [&](const WrittenNumber& number) {
    return both_years ? chinese_digits(number.digits) : spoken(number);
  };
  out +=
      (low->digits == U"2" && !both_years && low->fraction.empty() && counts_things(at.rest()) ? Text(U"两")
                                                                                               : read(*low)) +
      Text(low_unit) + U"到" + read(*high) + Text(unit);
  scanner = at;
  return true;
}

// 1/2, 3:2, 1920x1080
bool read_ratio(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  const auto first = at.number();
  if (!first) return false;
  if (at.accept(U'/')) {
    const auto second = at.digits(1, 4);
    if (!second || to_int(*second) == 0 || !first->fraction.empty() || at.peek() == U'/') return false;
    out += chinese_cardinal(*second) + U"分之" + spoken(*first);
  } else if (const bool times = at.accept_any(U"xX"); times || at.accept_any(U":：")) {
    const auto second = at.number();
    if (!second) return false;
    out += spoken(*first) + (times ? U"乘" : U"比") + spoken(*second);
  } else {
    return false;
  }
  scanner = at;
  return true;
}

// Numbers in sums: each sign is spoken when numbers stand on both sides of it.
bool read_sign(Scanner& scanner, Text& out) {
  constexpr std::array<std::pair<char32_t, View>, 10> kSigns{{{U'+', U"加"},
                                                              {U'=', U"等于"},
                                                              {U'×', U"乘"},
                                                              {U'÷', U"除以"},
                                                              {U'<', U"小于"},
                                                              {U'>', U"大于"},
                                                              {U'≤', U"小于等于"},
                                                              {U'≥', U"大于等于"},
                                                              {U'≈', U"约等于"},
                                                              {U'*', U"乘"}}};
  std::size_t back = 1;
  while (scanner.before(back) == U' ') ++back;
  const char32_t before = scanner.before(back);
  for (const auto& [sign, name] : kSigns) {
    Scanner at = scanner;
    if (!at.accept(sign)) continue;
    at.skip_spaces();
    const bool opens =
        View(U"<>≤≥≈").find(sign) != View::npos && !is_latin_letter(before) && is_digit(at.peek());
    if (opens && !is_digit(before) && before != U')') {
      out += name;
      scanner = at;
      return true;
    }
    const bool left = is_digit(before) || is_latin_letter(before) || before == U')';
    const bool right =
        is_digit(at.peek()) || is_latin_letter(at.peek()) || at.peek() == U'(' || at.peek() == U'-';
    const bool has_number = is_digit(before) || is_digit(at.peek());
    if (!left || !right || !has_number) return false;
    while (!out.empty() && out.back() == U' ') out.pop_back();
    out += name;
    scanner = at;
    return true;
  }
  return false;
}

// The digits of "GPT4" or "A380": part of a name
bool read_name_digits(Scanner& scanner, Text& out) {
  if (!is_latin_letter(scanner.before())) return false;
  Scanner at = scanner;
  const auto number = at.number();
  if (!number) return false;
  constexpr std::size_t kShort = 2;
  out += number->digits.size() <= kShort && number->digits.front() != U'0' ? chinese_cardinal(number->digits)
                                                                           : chinese_digits(number->digits);
  if (!number->fraction.empty()) out += U"点" + chinese_digits(number->fraction);
  scanner = at;
  return true;
}

// 1.0.2, 192.168.1.1
bool read_version(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  Text text;
  int parts = 0;
  for (;;) {
    const auto part = at.digits(1, 5);
    if (!part) return false;
    text += (parts > 0 ? U"点" : U"") + (part->size() > 2 ? chinese_digits(*part) : chinese_cardinal(*part));
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

// Does a number that is read digit by digit come after this?
bool is_code_word(const Scanner& scanner) {
  constexpr std::array<View, 11> kWords{U"邮编", U"编号", U"单号", U"尾号", U"密码", U"验证码",
                                        U"工号", U"学号", U"账号", U"卡号", U"证号"};
  View before = scanner.read_so_far();
  while (!before.empty() && View(U" :：是为").find(before.back()) != View::npos) before.remove_suffix(1);
  for (const View word : kWords) {
    if (before.ends_with(word)) return true;
  }
  return false;
}

bool is_service_number(View digits) {
  return digits == U"10086" || digits == U"10010" || digits == U"12306" || digits == U"12315";
}

// A number that stands alone, with the unit behind it
bool read_number(Scanner& scanner, Text& out) {
  Scanner at = scanner;
  const auto number = at.number();
  if (!number) return false;
  Scanner with_unit = at;
  if (const View unit = accept_chinese_unit(with_unit); !unit.empty()) {
    out += spoken(*number) + Text(unit);
    scanner = with_unit;
    return true;
  }
  const auto& digits = number->digits;
  constexpr std::size_t kLongestCardinal = 12;
  const bool is_code =
      (digits.size() > 1 && digits.front() == U'0') || (digits.size() > kLongestCardinal && !number->grouped);
  const bool is_named_code = is_code_word(scanner) && number->fraction.empty();
  const bool is_slang =
      (digits == U"666" || digits == U"233") && !counts_things(at.rest()) && scanner.before() != U'第';
  if (is_service_number(digits) && scanner.before() != U'第' && !counts_things(at.rest())) {
    out += chinese_phone(digits);
  } else if (number->fraction.empty() && (is_code || is_slang || is_named_code)) {
    out += chinese_digits(digits);
  } else {
    out += counted(*number, scanner, at);
  }
  scanner = at;
  return true;
}

bool read_negative(Scanner& scanner, Text& out) {
  if (follows_value(scanner)) return false;
  Scanner at = scanner;
  if (!at.accept_any(U"-−") || !is_digit(at.peek())) return false;
  Text number;
  Scanner percent = at;
  if (read_percentage(percent, number)) {
    out += U"负" + number;
    scanner = percent;
    return true;
  }
  if (!read_number(at, number)) return false;
  out += (at.read_so_far().ends_with(U"℃") || at.read_so_far().ends_with(U"°C") ? U"零下" : U"负") + number;
  scanner = at;
  return true;
}

bool read_symbol(Scanner& scanner, Text& out) {
  if (scanner.peek() == U'#' && is_latin_letter(scanner.before())) {
    scanner.skip(1);
    out += U" sharp";
    return true;
  }
  constexpr std::array<std::pair<char32_t, View>, 6> kSymbols{{{U'&', U"和"},
                                                               {U'@', U"艾特"},
                                                               {U'#', U"井号"},
                                                               {U'％', U"百分号"},
                                                               {U'%', U"百分号"},
                                                               {U'№', U"号"}}};
  for (const auto& [symbol, name] : kSymbols) {
    if (!scanner.accept(symbol)) continue;
    out += name;
    return true;
  }
  return false;
}

// In the order in which they are tried.
constexpr std::array<Rule, 14> kRules{
    read_money,   read_name_digits, read_phone, read_numeric_date, read_time,   read_date, read_percentage,
    read_version, read_range,       read_ratio, read_negative,     read_number, read_sign, read_symbol};

}  // namespace

std::u32string spoken_chinese(std::u32string_view written) {
  return apply_rules(written, kRules);
}

}  // namespace greenroom::models::index_tts
