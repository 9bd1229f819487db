// Names that strangers chose, made safe to compare and to print.
#pragma once

#include <string>
#include <string_view>

namespace greenroom::checkpoint {

// Valid UTF-8 without NUL or other control characters.
bool is_plain_utf8(std::string_view text);

// In quotes, shortened to 80 characters, with what cannot be printed as "\xNN".
std::string printable(std::string_view text);

}  // namespace greenroom::checkpoint
