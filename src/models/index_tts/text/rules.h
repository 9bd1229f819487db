// Rules that read what is written at one place of a text and write how it is said.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "models/index_tts/text/scanner.h"

namespace greenroom::models::index_tts {

// True when it matched: the scanner stands behind what was read, and the words are appended to `out`. Else
// both are as they were.
using Rule = bool (*)(Scanner& scanner, std::u32string& out);

// The text without what cannot be spoken, in half-width forms, each place said by the first rule that matches
// there, or left as it is.
std::u32string apply_rules(std::u32string_view written, std::span<const Rule> rules);

// Of the first eight digits. REQUIRES: nothing but digits.
int to_int(std::u32string_view digits);

}  // namespace greenroom::models::index_tts
