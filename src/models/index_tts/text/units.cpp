#include "models/index_tts/text/units.h"

#include <array>

namespace greenroom::models::index_tts {
namespace {

using View = std::u32string_view;

struct ChineseUnit {
  View written;
  View spoken;
};

// Longer ones before those they begin with.
constexpr std::array<ChineseUnit, 62> kChineseUnits{{{U"km/h", U"千米每小时"},
                                                     {U"km/s", U"千米每秒"},
                                                     {U"kWh", U"千瓦时"},
                                                     {U"kw·h", U"千瓦时"},
                                                     {U"m/s²", U"米每二次方秒"},
                                                     {U"m/s", U"米每秒"},
                                                     {U"km²", U"平方千米"},
                                                     {U"km2", U"平方千米"},
                                                     {U"cm²", U"平方厘米"},
                                                     {U"cm2", U"平方厘米"},
                                                     {U"mm²", U"平方毫米"},
                                                     {U"cm³", U"立方厘米"},
                                                     {U"m²", U"平方米"},
                                                     {U"m2", U"平方米"},
                                                     {U"m³", U"立方米"},
                                                     {U"m3", U"立方米"},
                                                     {U"mg/L", U"毫克每升"},
                                                     {U"g/L", U"克每升"},
                                                     {U"kg/m³", U"千克每立方米"},
                                                     {U"kPa", U"千帕"},
                                                     {U"MPa", U"兆帕"},
                                                     {U"hPa", U"百帕"},
                                                     {U"GHz", U"吉赫兹"},
                                                     {U"MHz", U"兆赫兹"},
                                                     {U"kHz", U"千赫兹"},
                                                     {U"Hz", U"赫兹"},
                                                     {U"mAh", U"毫安时"},
                                                     {U"dB", U"分贝"},
                                                     {U"km", U"千米"},
                                                     {U"cm", U"厘米"},
                                                     {U"mm", U"毫米"},
                                                     {U"nm", U"纳米"},
                                                     {U"μm", U"微米"},
                                                     {U"dm", U"分米"},
                                                     {U"kg", U"千克"},
                                                     {U"mg", U"毫克"},
                                                     {U"μg", U"微克"},
                                                     {U"ml", U"毫升"},
                                                     {U"kW", U"千瓦"},
                                                     {U"MW", U"兆瓦"},
                                                     {U"kV", U"千伏"},
                                                     {U"mV", U"毫伏"},
                                                     {U"mA", U"毫安"},
                                                     {U"ms", U"毫秒"},
                                                     {U"min", U"分钟"},
                                                     {U"kcal", U"千卡"},
                                                     {U"cal", U"卡"},
                                                     {U"ha", U"公顷"},
                                                     {U"°C", U"摄氏度"},
                                                     {U"℃", U"摄氏度"},
                                                     {U"°F", U"华氏度"},
                                                     {U"℉", U"华氏度"},
                                                     {U"°", U"度"},
                                                     {U"m", U"米"},
                                                     {U"g", U"克"},
                                                     {U"L", U"升"},
                                                     {U"t", U"吨"},
                                                     {U"h", U"小时"},
                                                     {U"s", U"秒"},
                                                     {U"W", U"瓦"},
                                                     {U"V", U"伏"},
                                                     {U"A", U"安"}}};

constexpr std::array<EnglishUnit, 45> kEnglishUnits{{{U"km/h", U"kilometer per hour", U"kilometers per hour"},
                                                     {U"mph", U"mile per hour", U"miles per hour"},
                                                     {U"m/s", U"meter per second", U"meters per second"},
                                                     {U"km²", U"square kilometer", U"square kilometers"},
                                                     {U"m²", U"square meter", U"square meters"},
                                                     {U"m³", U"cubic meter", U"cubic meters"},
                                                     {U"kWh", U"kilowatt hour", U"kilowatt hours"},
                                                     {U"GHz", U"gigahertz", U"gigahertz"},
                                                     {U"MHz", U"megahertz", U"megahertz"},
                                                     {U"kHz", U"kilohertz", U"kilohertz"},
                                                     {U"Hz", U"hertz", U"hertz"},
                                                     {U"Mbps", U"megabit per second", U"megabits per second"},
                                                     {U"TB", U"terabyte", U"terabytes"},
                                                     {U"GB", U"gigabyte", U"gigabytes"},
                                                     {U"MB", U"megabyte", U"megabytes"},
                                                     {U"KB", U"kilobyte", U"kilobytes"},
                                                     {U"kB", U"kilobyte", U"kilobytes"},
                                                     {U"km", U"kilometer", U"kilometers"},
                                                     {U"cm", U"centimeter", U"centimeters"},
                                                     {U"mm", U"millimeter", U"millimeters"},
                                                     {U"nm", U"nanometer", U"nanometers"},
                                                     {U"kg", U"kilogram", U"kilograms"},
                                                     {U"mg", U"milligram", U"milligrams"},
                                                     {U"ml", U"milliliter", U"milliliters"},
                                                     {U"mL", U"milliliter", U"milliliters"},
                                                     {U"kW", U"kilowatt", U"kilowatts"},
                                                     {U"MW", U"megawatt", U"megawatts"},
                                                     {U"dB", U"decibel", U"decibels"},
                                                     {U"ms", U"millisecond", U"milliseconds"},
                                                     {U"lbs", U"pound", U"pounds"},
                                                     {U"lb", U"pound", U"pounds"},
                                                     {U"oz", U"ounce", U"ounces"},
                                                     {U"ft", U"foot", U"feet"},
                                                     {U"°C", U"degree Celsius", U"degrees Celsius"},
                                                     {U"℃", U"degree Celsius", U"degrees Celsius"},
                                                     {U"°F", U"degree Fahrenheit", U"degrees Fahrenheit"},
                                                     {U"°", U"degree", U"degrees"},
                                                     {U"%", U"percent", U"percent"},
                                                     {U"hrs", U"hour", U"hours"},
                                                     {U"min", U"minute", U"minutes"},
                                                     {U"L", U"liter", U"liters"},
                                                     {U"W", U"watt", U"watts"},
                                                     {U"V", U"volt", U"volts"},
                                                     {U"m", U"meter", U"meters"},
                                                     {U"g", U"gram", U"grams"}}};

bool is_word_character(char32_t c) {
  return is_latin_letter(c) || is_digit(c);
}

}  // namespace

// Case matters: 5M is no length. Empty when no unit stands here.
std::u32string_view accept_chinese_unit(Scanner& scanner) {
  Scanner at = scanner;
  at.skip_spaces();
  for (const ChineseUnit& unit : kChineseUnits) {
    if (!at.rest().starts_with(unit.written)) continue;
    Scanner after = at;
    after.skip(unit.written.size());
    if (is_latin_letter(after.peek()) || is_digit(after.peek())) continue;
    if (unit.written.size() == 1 && is_latin_letter(unit.written.front()) &&
        at.position() != scanner.position())
      continue;
    scanner = after;
    return unit.spoken;
  }
  return {};
}

// Null when no unit stands here.
const EnglishUnit* accept_english_unit(Scanner& scanner) {
  Scanner at = scanner;
  at.skip_spaces();
  for (const EnglishUnit& unit : kEnglishUnits) {
    if (!at.rest().starts_with(unit.written)) continue;
    Scanner after = at;
    after.skip(unit.written.size());
    if (is_word_character(after.peek())) continue;
    // "5 m" may be anything; "5m" is a length.
    const bool is_letter = unit.written.size() == 1 && is_latin_letter(unit.written.front());
    if (is_letter && at.position() != scanner.position()) continue;
    scanner = after;
    return &unit;
  }
  return nullptr;
}

}  // namespace greenroom::models::index_tts
