#include "models/index_tts/text/rules.h"

#include <algorithm>

namespace greenroom::models::index_tts {

std::u32string apply_rules(std::u32string_view written, std::span<const Rule> rules) {
  std::u32string text;
  text.reserve(written.size());
  for (const char32_t c : written) {
    if (!is_unspeakable(c)) text += to_half_width(c);
  }
  std::u32string out;
  Scanner scanner(text);
  while (!scanner.done()) {
    const bool matched =
        std::any_of(rules.begin(), rules.end(), [&](const Rule rule) { return rule(scanner, out); });
    if (!matched) out += scanner.next();
  }
  return out;
}

int to_int(std::u32string_view digits) {
  constexpr std::size_t kMostDigits = 8;
  int value = 0;
  for (const char32_t c : digits.substr(0, kMostDigits)) value = value * 10 + static_cast<int>(c - U'0');
  return value;
}

}  // namespace greenroom::models::index_tts
