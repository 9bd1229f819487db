#include "models/index_tts/text/byte_bpe.h"

#include <locale.h>
#include <spdlog/fmt/fmt.h>
#include <wctype.h>

#include <array>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "base/json.h"
#include "models/index_tts/text/unicode.h"

namespace greenroom::models::index_tts {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMostBytes = 64 << 20;

std::string read_text(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    throw base::Error(base::ErrorCode::kNotFound, fmt::format("{}: no such file", path.string()));
  }
  if (fs::file_size(path, error) > kMostBytes) {
    throw base::Error(base::ErrorCode::kDataLoss, fmt::format("{}: larger than 64 MiB", path.string()));
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file)
    throw base::Error(base::ErrorCode::kUnavailable, fmt::format("{}: cannot be read", path.string()));
  return text.str();
}

[[noreturn]] void fail(const fs::path& path, const std::string& what) {
  throw base::Error(base::ErrorCode::kDataLoss, fmt::format("{}: {}", path.string(), what));
}

// Every byte has a printable character: its own where it has one, else one from U+0100 on.
const std::array<char32_t, 256>& printable_bytes() {
  static const auto all = [] {
    std::array<char32_t, 256> table{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < table.size(); ++byte) {
      const bool own = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      table[byte] = own ? byte : next++;
    }
    return table;
  }();
  return all;
}

std::string to_printable(std::string_view bytes) {
  std::u32string text;
  for (const char c : bytes) text += printable_bytes()[static_cast<unsigned char>(c)];
  return to_utf8(text);
}

std::string from_printable(std::string_view printable) {
  std::string bytes;
  for (const char32_t c : to_code_points(printable)) {
    for (std::size_t byte = 0; byte < printable_bytes().size(); ++byte) {
      if (printable_bytes()[byte] == c) bytes += static_cast<char>(byte);
    }
  }
  return bytes;
}

bool is_number(char32_t c) {
  return is_digit(c) || (c >= 0x660 && c <= 0x669) || (c >= 0x966 && c <= 0x96F) ||
         (c >= 0xFF10 && c <= 0xFF19) || (c >= 0x2150 && c <= 0x218B) || (c >= 0x2460 && c <= 0x249B) ||
         c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0xBC && c <= 0xBE);
}

bool is_letter(char32_t c) {
  if (c < 0x80) return is_latin_letter(c);
  static const locale_t unicode = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return !is_number(c) && ::iswalpha_l(static_cast<wint_t>(c), unicode) != 0;
}

bool is_line_end(char32_t c) {
  return c == U'\r' || c == U'\n';
}

// Length of the next word as Qwen2's pattern cuts them: contractions, letters with one sign before them,
// single digits, signs with one space before them, line ends, spaces.
class WordCutter {
 public:
  explicit WordCutter(std::u32string_view text) : text_(text) {}

  std::size_t next(std::size_t at) const {
    if (const std::size_t length = contraction(at)) return length;
    const char32_t c = text_[at];
    const bool sign_first = !is_line_end(c) && !is_letter(c) && !is_number(c) && is_letter(peek(at + 1));
    if (is_letter(c) || sign_first) return 1 + run(at + 1, is_letter);
    if (is_number(c)) return 1;
    const std::size_t space = c == U' ' ? 1 : 0;
    if (const std::size_t signs = run(at + space, is_sign)) {
      return space + signs + run(at + space + signs, is_line_end);
    }
    return spaces(at);
  }

 private:
  static bool is_sign(char32_t c) { return !is_space(c) && !is_letter(c) && !is_number(c); }

  char32_t peek(std::size_t at) const { return at < text_.size() ? text_[at] : 0; }

  template <typename Kind>
  std::size_t run(std::size_t at, const Kind& kind) const {
    std::size_t end = at;
    while (end < text_.size() && kind(text_[end])) ++end;
    return end - at;
  }

  std::size_t contraction(std::size_t at) const {
    if (text_[at] != U'\'') return 0;
    for (const std::u32string_view end : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
      if (matches_at(text_, at, end)) return end.size();
    }
    return 0;
  }

  std::size_t spaces(std::size_t at) const {
    const std::size_t all = run(at, is_space);
    for (std::size_t i = all; i > 0; --i) {
      if (is_line_end(text_[at + i - 1])) return i;
    }
    // The last space belongs to the word behind it.
    return at + all < text_.size() && all > 1 ? all - 1 : all;
  }

  std::u32string_view text_;
};

}  // namespace

ByteBpe::ByteBpe(const fs::path& folder) {
  std::error_code ignored;
  if (fs::is_regular_file(folder / "tokenizer.json", ignored)) {
    read_tokenizer_json(folder / "tokenizer.json");
  } else {
    read_vocabulary(folder);
  }
  for (const auto& [token, id] : ids_) tokens_.emplace(id, token);
  if (tokens_.empty()) fail(folder, "the tokenizer's vocabulary is empty");
}

void ByteBpe::add_merge(std::string_view left, std::string_view right) {
  merges_.emplace(fmt::format("{} {}", left, right), static_cast<std::int64_t>(merges_.size()));
}

void ByteBpe::add_special(const std::string& token, std::int64_t id) {
  if (!token.empty()) special_.emplace(token, id);
}

void ByteBpe::read_tokenizer_json(const fs::path& path) {
  const auto json = base::parse_json(read_text(path), path.string());
  try {
    const auto& model = json.at("model");
    for (const auto& [token, id] : model.at("vocab").items()) ids_.emplace(token, id.get<std::int64_t>());
    for (const auto& merge : model.at("merges")) {
      if (merge.is_array()) {
        add_merge(merge.at(0).get<std::string>(), merge.at(1).get<std::string>());
        continue;
      }
      const auto text = merge.get<std::string>();
      const std::size_t space = text.find(' ');
      if (space == std::string::npos) fail(path, fmt::format("the merge \"{}\" has no space", text));
      add_merge(text.substr(0, space), text.substr(space + 1));
    }
    if (json.contains("added_tokens")) {
      for (const auto& token : json.at("added_tokens")) {
        add_special(token.at("content").get<std::string>(), token.at("id").get<std::int64_t>());
      }
    }
  } catch (const base::Json::exception& error) {
    fail(path, fmt::format("not a byte-level BPE tokenizer: {}", error.what()));
  }
}

void ByteBpe::read_vocabulary(const fs::path& folder) {
  const fs::path vocabulary = folder / "vocab.json";
  const fs::path merges = folder / "merges.txt";
  try {
    const auto json = base::parse_json(read_text(vocabulary), vocabulary.string());
    for (const auto& [token, id] : json.items()) ids_.emplace(token, id.get<std::int64_t>());
    std::istringstream lines(read_text(merges));
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      const std::size_t space = line.find(' ');
      if (line.starts_with("#version") || space == std::string::npos) continue;
      add_merge(line.substr(0, space), line.substr(space + 1));
    }
    std::error_code ignored;
    const fs::path settings = folder / "tokenizer_config.json";
    if (!fs::is_regular_file(settings, ignored)) return;
    const auto config = base::parse_json(read_text(settings), settings.string());
    if (!config.contains("added_tokens_decoder")) return;
    for (const auto& [id, token] : config.at("added_tokens_decoder").items()) {
      add_special(token.at("content").get<std::string>(), std::stoll(id));
    }
  } catch (const base::Json::exception& error) {
    fail(vocabulary, fmt::format("not a byte-level BPE vocabulary: {}", error.what()));
  } catch (const std::logic_error&) {  // stoll
    fail(folder / "tokenizer_config.json", "an id of added_tokens_decoder is no number");
  }
}

std::optional<std::int64_t> ByteBpe::special(const std::string& token) const {
  const auto found = special_.find(token);
  return found == special_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::int64_t> ByteBpe::encode(std::string_view text) const {
  std::vector<std::int64_t> ids;
  std::size_t plain = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::pair<const std::string, std::int64_t>* longest = nullptr;
    for (const auto& entry : special_) {
      if (text.substr(at).starts_with(entry.first) &&
          (longest == nullptr || entry.first.size() > longest->first.size())) {
        longest = &entry;
      }
    }
    if (longest == nullptr) {
      ++at;
      continue;
    }
    encode_plain(text.substr(plain, at - plain), ids);
    ids.push_back(longest->second);
    at += longest->first.size();
    plain = at;
  }
  encode_plain(text.substr(plain), ids);
  return ids;
}

void ByteBpe::encode_plain(std::string_view text, std::vector<std::int64_t>& ids) const {
  const std::u32string all = to_code_points(text);
  const WordCutter cutter(all);
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t length = cutter.next(at);
    encode_word(to_utf8(std::u32string_view(all).substr(at, length)), ids);
    at += length;
  }
}

void ByteBpe::encode_word(std::string_view word, std::vector<std::int64_t>& ids) const {
  constexpr std::size_t kLongestWord = 2000;  // merging is quadratic; prose has no such words
  if (word.size() > kLongestWord) {
    encode_word(word.substr(0, kLongestWord), ids);
    return encode_word(word.substr(kLongestWord), ids);
  }
  std::vector<std::string> parts;
  for (const char c : word) parts.push_back(to_printable({&c, 1}));
  while (parts.size() > 1) {
    std::int64_t best = std::numeric_limits<std::int64_t>::max();
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = merges_.find(fmt::format("{} {}", parts[i], parts[i + 1]));
      if (found == merges_.end() || found->second >= best) continue;
      best = found->second;
      place = i;
    }
    if (best == std::numeric_limits<std::int64_t>::max()) break;
    parts[place] += parts[place + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
  for (const auto& part : parts) {
    if (const auto found = ids_.find(part); found != ids_.end()) ids.push_back(found->second);
  }
}

std::string ByteBpe::decode(const std::vector<std::int64_t>& ids) const {
  std::string printable;
  for (const std::int64_t id : ids) {
    if (const auto found = tokens_.find(id); found != tokens_.end()) printable += found->second;
  }
  return from_printable(printable);
}

}  // namespace greenroom::models::index_tts
