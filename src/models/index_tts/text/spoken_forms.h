// Numbers, dates, amounts, units and signs written out as they are spoken: what upstream leaves to
// WeTextProcessing. Our own rules; where a text can be read in two ways they take the likelier one.
#pragma once

#include <string>
#include <string_view>

namespace greenroom::models::index_tts {

// Private-use characters of plane 15 stand for protected text and are passed on. Characters that cannot be
// spoken (controls, emoji) are dropped.
std::u32string spoken_chinese(std::u32string_view text);
std::u32string spoken_english(std::u32string_view text);

}  // namespace greenroom::models::index_tts
