#include "models/index_tts/text/normalizer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "models/index_tts/text/spoken_forms.h"
#include "models/index_tts/text/unicode.h"

namespace greenroom::models::index_tts {
namespace {

using Text = std::u32string;
using View = std::u32string_view;

constexpr char32_t kFirstPlaceholder = 0xF0000;
constexpr char32_t kLastPlaceholder = 0xFFFFD;

bool is_placeholder(char32_t c) {
  return c >= kFirstPlaceholder && c <= kLastPlaceholder;
}

// Text that was taken out, each part with one private-use character in its place.
class Protected {
 public:
  char32_t add(Text text) {
    // More than 65,000 in one text: the last ones share a place, and come out alike.
    const std::size_t most = kLastPlaceholder - kFirstPlaceholder;
    if (parts_.size() <= most) parts_.push_back(std::move(text));
    return kFirstPlaceholder + static_cast<char32_t>(parts_.size() - 1);
  }

  // Puts back what was taken out, in several rounds when that holds placeholders itself.
  Text restore(View text) const {
    Text result;
    for (const char32_t c : text) {
      if (is_placeholder(c) && c - kFirstPlaceholder < parts_.size()) {
        result += restore(parts_[c - kFirstPlaceholder]);
      } else {
        result += c;
      }
    }
    return result;
  }

 private:
  std::vector<Text> parts_;
};

// Length of a match at a position, 0 for none.
template <typename Match, typename Replace>
Text replace_matches(View text, const Match& match, const Replace& replace) {
  Text result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = match(text, at);
    if (length == 0) {
      result += text[at++];
    } else {
      result += replace(text.substr(at, length));
      at += length;
    }
  }
  return result;
}

// <word|pronunciation>
std::size_t match_annotation(View text, std::size_t at) {
  if (text[at] != U'<') return 0;
  std::size_t end = at + 1;
  while (end < text.size() && text[end] != U'|' && text[end] != U'>' && text[end] != U'\n') ++end;
  if (end == at + 1 || end >= text.size() || text[end] != U'|') return 0;
  const std::size_t bar = end++;
  while (end < text.size() && text[end] != U'>' && text[end] != U'\n') ++end;
  if (end == bar + 1 || end >= text.size() || text[end] != U'>') return 0;
  return end + 1 - at;
}

// Syllables of pinyin as upstream's pattern knows them: an initial that may be absent, and a final.
constexpr std::array<View, 39> kFinals{
    U"a",   U"e",  U"i",  U"o",  U"u",  U"ü",  U"v",   U"ai",  U"ei",  U"ua",  U"ui",   U"uo",   U"ao",
    U"ou",  U"ia", U"iu", U"ie", U"ue", U"üe", U"ve",  U"uan", U"van", U"üan", U"uang", U"vang", U"üang",
    U"uai", U"an", U"en", U"in", U"un", U"vn", U"ang", U"eng", U"ing", U"ong", U"ian",  U"iao",  U"iang"};
constexpr View kInitials = U"bpmfdtnlgkhjqxzcsryw";

char32_t lower(char32_t c) {
  return c == U'Ü' ? U'ü' : to_lower_ascii(c);
}

bool is_final(View text) {
  return text == U"iong" || std::find(kFinals.begin(), kFinals.end(), text) != kFinals.end();
}

bool is_syllable(View text) {
  if (text == U"ng" || text == U"er" || is_final(text)) return true;
  if (kInitials.find(text.front()) == View::npos) return false;
  if (is_final(text.substr(1))) return true;
  const bool retroflex = (text.front() == U'z' || text.front() == U'c' || text.front() == U's') &&
                         text.size() > 2 && text[1] == U'h';
  return retroflex && is_final(text.substr(2));
}

// xuan4. Not within a word.
std::size_t match_pinyin(View text, std::size_t at) {
  if (at > 0 && is_latin_letter(text[at - 1])) return 0;
  constexpr std::size_t kLongest = 6;
  Text syllable;
  std::size_t end = at;
  while (end < text.size() && syllable.size() <= kLongest &&
         (is_latin_letter(text[end]) || lower(text[end]) == U'ü')) {
    syllable += lower(text[end++]);
  }
  if (syllable.empty() || end >= text.size() || text[end] < U'1' || text[end] > U'5') return 0;
  // Unlike upstream: "A380" is no third tone.
  const bool goes_on = end + 1 < text.size() && is_digit(text[end + 1]);
  return is_syllable(syllable) && !goes_on ? end + 1 - at : 0;
}

// j, q and x take ü, written u: ju4 is JV4.
Text correct_pinyin(View pinyin) {
  const char32_t initial = lower(pinyin.front());
  if (initial != U'j' && initial != U'q' && initial != U'x') return Text(pinyin);
  Text corrected(pinyin);
  const char32_t second = lower(corrected[1]);
  const View rest = View(corrected).substr(2, corrected.size() - 3);
  const bool known =
      rest.empty() || matches_at(rest, 0, U"n") || matches_at(rest, 0, U"e") || matches_at(rest, 0, U"an");
  const bool whole = rest.size() <= 2 && known;
  if ((second == U'u' || second == U'ü') && whole) corrected[1] = U'v';
  return to_upper(corrected);
}

std::size_t han_run(View text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_han(text[end])) ++end;
  return end - at;
}

bool joins_names(char32_t c) {
  return c == U'-' || c == U'·' || c == U'—';
}

// 约瑟夫·高登-莱维特
std::size_t match_name(View text, std::size_t at) {
  std::size_t end = at + han_run(text, at);
  if (end == at) return 0;
  constexpr int kMostParts = 2;
  int parts = 0;
  while (parts < kMostParts && end + 1 < text.size() && joins_names(text[end])) {
    const std::size_t more = han_run(text, end + 1);
    if (more == 0) break;
    end += 1 + more;
    ++parts;
  }
  return parts > 0 ? end - at : 0;
}

bool is_alphanumeric(char32_t c) {
  return is_latin_letter(c) || is_digit(c);
}

// GPT-5-Nano
std::size_t match_technical_term(View text, std::size_t at) {
  if (!is_latin_letter(text[at])) return 0;
  std::size_t end = at;
  while (end < text.size() && is_alphanumeric(text[end])) ++end;
  std::size_t parts = 0;
  while (end + 1 < text.size() && text[end] == U'-' && is_alphanumeric(text[end + 1])) {
    ++end;
    while (end < text.size() && is_alphanumeric(text[end])) ++end;
    ++parts;
  }
  return parts > 0 ? end - at : 0;
}

// "what's" and the like become "what is".
Text expand_contractions(View text) {
  constexpr std::array<View, 12> kWords{U"what", U"where", U"who", U"which", U"how",  U"there",
                                        U"here", U"it",    U"she", U"he",    U"that", U"this"};
  const auto match = [&](View whole, std::size_t at) -> std::size_t {
    for (const View word : kWords) {
      if (matches_at(whole, at, word) && matches_at(whole, at + word.size(), U"'s")) return word.size() + 2;
    }
    return 0;
  };
  return replace_matches(text, match,
                         [](View found) { return Text(found.substr(0, found.size() - 2)) + U" is"; });
}

View mapped(View text, std::size_t at, bool chinese, std::size_t& length) {
  constexpr View kQuotes = U"“”\"‘’（）()《》【】[]「」";
  const char32_t c = text[at];
  length = 1;
  if (chinese && c == U'$') return U".";
  if (View(U"：；;，、").find(c) != View::npos) return U",";
  if (c == U'。') return U".";
  if (c == U'！') return U"!";
  if (c == U'？') return U"?";
  if (c == U'\n') return U" ";
  if (View(U"·—～~").find(c) != View::npos) return U"-";
  if (kQuotes.find(c) != View::npos) return U"'";
  if (c == U':') return U",";
  for (const View ellipsis : {U"...", U",,,"}) {
    if (text.substr(at, 3) != ellipsis) continue;
    length = 3;
    return U"…";
  }
  if (text.substr(at, 2) == U"……") {
    length = 2;
    return U"…";
  }
  return text.substr(at, 1);
}

Text map_characters(View text, bool chinese) {
  Text result;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = 1;
    result += mapped(text, at, chinese, length);
    at += length;
  }
  return result;
}

bool is_mail_address(View text) {
  const auto run = [&](std::size_t& at, bool digits) {
    const std::size_t from = at;
    while (at < text.size() && (is_latin_letter(text[at]) || (digits && is_digit(text[at])))) ++at;
    return at > from;
  };
  std::size_t at = 0;
  if (!run(at, true) || at >= text.size() || text[at++] != U'@') return false;
  if (!run(at, true) || at >= text.size() || text[at++] != U'.') return false;
  return run(at, false) && at == text.size();
}

// `has_letters`: an annotation was taken out, which upstream does by means of letters.
bool uses_chinese(View text, bool has_letters) {
  if (std::any_of(text.begin(), text.end(), is_han)) return true;
  if (!has_letters && std::none_of(text.begin(), text.end(), is_latin_letter)) return true;
  if (is_mail_address(text)) return true;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (match_pinyin(text, at) > 0) return true;
  }
  return false;
}

Text apply_glossary(View text, const std::vector<GlossaryEntry>& glossary, bool chinese) {
  Text result(text);
  for (const auto& entry : glossary) {
    const Text word = to_code_points(entry.word);
    Text reading = to_code_points(chinese ? entry.chinese : entry.english);
    if (word.empty() || reading.empty()) continue;
    result = replace_matches(
        result, [&](View whole, std::size_t at) { return matches_at(whole, at, word) ? word.size() : 0; },
        [&](View) { return reading; });
  }
  return result;
}

}  // namespace

bool uses_chinese(std::string_view text) {
  return uses_chinese(to_code_points(text), false);
}

TextNormalizer::TextNormalizer(std::vector<GlossaryEntry> glossary)
    : TextNormalizer(std::move(glossary), spoken_chinese, spoken_english) {}

TextNormalizer::TextNormalizer(std::vector<GlossaryEntry> glossary, SpokenForm chinese, SpokenForm english)
    : glossary_(std::move(glossary)), chinese_(std::move(chinese)), english_(std::move(english)) {
  std::stable_sort(glossary_.begin(), glossary_.end(), [](const auto& a, const auto& b) {
    return to_code_points(a.word).size() > to_code_points(b.word).size();
  });
}

std::string TextNormalizer::normalize(std::string_view utf8) const {
  Text text = to_code_points(utf8);
  std::erase_if(text, is_placeholder);  // nothing to say, and ours from here on
  const std::size_t length = text.size();
  Protected parts;
  text = replace_matches(text, match_annotation, [&](View found) { return Text(1, parts.add(Text(found))); });
  const bool annotated = text.size() != length;
  const bool chinese = uses_chinese(text, annotated);
  text = apply_glossary(expand_contractions(text), glossary_, chinese);
  if (chinese) text = strip_right(text);
  const auto protect = [&](View found) { return Text(1, parts.add(Text(found))); };
  text = replace_matches(text, match_technical_term, protect);
  if (chinese) {
    text = replace_matches(text, match_pinyin,
                           [&](View found) { return Text(1, parts.add(correct_pinyin(found))); });
    text = replace_matches(text, match_name,
                           [&](View found) { return Text(1, parts.add(map_characters(found, true))); });
  }
  text = chinese ? chinese_(text) : english_(text);
  return to_utf8(parts.restore(map_characters(text, chinese)));
}

}  // namespace greenroom::models::index_tts
