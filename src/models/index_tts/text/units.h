// Units behind numbers, and how they are spoken.
#pragma once

#include <string_view>

#include "models/index_tts/text/scanner.h"

namespace greenroom::models::index_tts {

// Moves behind the unit that stands here, a space before it included, and says how it is spoken; empty when
// none does. Case matters: 5M is no length.
std::u32string_view accept_chinese_unit(Scanner& scanner);

struct EnglishUnit {
  std::u32string_view written, one, many;
};
// Null when no unit stands here.
const EnglishUnit* accept_english_unit(Scanner& scanner);

}  // namespace greenroom::models::index_tts
