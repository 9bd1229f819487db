// English and Chinese on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace greenroom::cli {

enum class Language { kEnglish, kChinese };

// "en", "zh" or "" (what LC_ALL, LC_MESSAGES and LANG say, the first that is set).
Language pick_language(std::string_view wanted);

// One of two texts.
inline const char* either(Language language, const char* english, const char* chinese) {
  return language == Language::kChinese ? chinese : english;
}

// Columns on a terminal: characters of Chinese take two. Control characters count as none.
std::size_t display_width(std::string_view utf8);

// Cut to `columns`, or filled with blanks to them.
std::string fit(std::string_view utf8, std::size_t columns);

// For text that a stranger wrote (a file's or a process's name): control characters become question marks, so
// that it cannot command the terminal.
std::string harmless(std::string_view utf8);

// "[########------]" of that many columns; `share` from 0 to 1.
std::string bar(double share, std::size_t columns);

}  // namespace greenroom::cli
