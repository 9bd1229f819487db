#include "models/index_tts/plan.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "models/index_tts/model.h"
#include "models/index_tts/text/emotion.h"
#include "models/index_tts/text/scanner.h"
#include "models/index_tts/text/segments.h"
#include "models/index_tts/text/unicode.h"

namespace greenroom::models::index_tts {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw base::Error(base::ErrorCode::kInvalidArgument, message);
}

template <typename T>
void check_range(const char* what, T value, T low, T high) {
  // Not written the other way round: a NaN is out of range too.
  if (value >= low && value <= high) return;
  refuse(fmt::format("{} is {}; allowed are {} to {}", what, value, low, high));
}

// A text file of another encoding would be spoken as whatever is left of it.
void check_encoding(std::string_view what, std::string_view text) {
  const auto invalid = first_invalid_byte(text);
  if (!invalid) return;
  refuse(
      fmt::format("{} is not UTF-8: its byte {} (0x{:02X}) belongs to no character; convert it first, for "
                  "example a Chinese text file with `iconv -f GB18030 -t UTF-8 IN > OUT`",
                  what, *invalid + 1, static_cast<unsigned char>(text[*invalid])));
}

// What a piece says, without the mark of a new word.
std::string readable(const std::string& piece) {
  constexpr std::string_view kWordMark = "▁";
  return piece.starts_with(kWordMark) ? piece.substr(kWordMark.size()) : piece;
}

// The byte that "<0xF0>" stands for: how a tokenizer spells a character that is none of its pieces.
std::optional<char> byte_of(std::string_view piece) {
  constexpr std::string_view kBegin = "<0x";
  if (piece.size() != kBegin.size() + 3 || !piece.starts_with(kBegin) || !piece.ends_with('>'))
    return std::nullopt;
  const std::string_view digits = piece.substr(kBegin.size(), 2);
  unsigned value = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value, 16);
  if (error != std::errc() || end != digits.end()) return std::nullopt;
  return static_cast<char>(value);
}

// What the pieces say that the model knows.
std::string known_text(const std::vector<std::string>& pieces, const Tokenizer& tokenizer) {
  std::string text;
  for (const auto& piece : pieces) {
    if (!tokenizer.is_known(piece)) continue;
    if (const auto byte = byte_of(piece)) {
      text += *byte;
    } else {
      text += readable(piece);
    }
  }
  return text;
}

// Letters of any script and digits: not punctuation, not symbols, not emoji.
bool has_a_sound(char32_t c) {
  constexpr char32_t kFirstBeyondLatin1Signs = 0xAA;
  const bool is_sign = (c >= 0x2000 && c < 0x3040) || (c >= 0xFE00 && c < 0xFF10) || is_unspeakable(c);
  return is_latin_letter(c) || is_digit(c) || (c >= kFirstBeyondLatin1Signs && !is_sign);
}

bool can_be_said(const std::vector<std::string>& pieces, const Tokenizer& tokenizer) {
  const auto text = to_code_points(known_text(pieces, tokenizer));
  return std::any_of(text.begin(), text.end(), has_a_sound);
}

}  // namespace

void check_options(const SpeakOptions& options, const Description& description) {
  const auto& widths = description.widths;
  const int most_text = static_cast<int>(widths.text_positions) - 2;
  const int most_mel = static_cast<int>(widths.mel_positions) - 2;
  check_range("emotion_weight", options.emotion_weight, 0.0, 1.0);
  check_range("num_beams", options.num_beams, 1, 16);
  check_range("temperature", options.temperature, 0.01, 10.0);
  check_range("top_p", options.top_p, 0.01, 1.0);
  check_range("top_k", options.top_k, 0, static_cast<int>(widths.codes));
  check_range("repetition_penalty", options.repetition_penalty, 0.1, 100.0);
  check_range("length_penalty", options.length_penalty, -10.0, 10.0);
  check_range("typical_mass", options.typical_mass, 0.01, 1.0);
  check_range("max_mel_tokens", options.max_mel_tokens, 1, most_mel);
  check_range("max_text_tokens_per_segment", options.max_text_tokens_per_segment, 2, most_text);
  check_range("quick_streaming_tokens", options.quick_streaming_tokens, 0, 1 << 20);
  check_range("interval_silence", options.interval_silence_ms, 0, 60000);
  check_range("diffusion_steps", options.diffusion_steps, 1, 1000);
  check_range("cfg_rate", options.cfg_rate, 0.0, 10.0);
}

void check_request(const SpeakRequest& request, const SpeakOptions& options, const Description& description) {
  check_options(options, description);
  check_encoding("the text", request.text);
  check_encoding("the emotion's text", request.emotion_text);
  const std::size_t characters = to_code_points(request.text).size();
  if (characters > kMostCharacters) {
    refuse(fmt::format("the text has {} characters; at most {} can be spoken at once: split it into parts",
                       characters, kMostCharacters));
  }
  if (request.voice.samples.empty()) refuse("the recording of the voice is empty");
  if (request.emotion_audio && request.emotion_audio->samples.empty())
    refuse("the emotion's recording is empty");
  const int ways = (request.emotion_audio ? 1 : 0) + (request.emotion_vector.empty() ? 0 : 1) +
                   (request.use_emotion_text ? 1 : 0);
  if (ways > 1) refuse("give the emotion as audio, as a vector or as a text, not in several ways at once");
  if (!request.emotion_vector.empty()) check_emotion_vector(request.emotion_vector);
  if (request.use_emotion_text && !description.has_emotion_llm()) {
    throw base::Error(base::ErrorCode::kFailedPrecondition, description.emotion_llm_advice());
  }
}

TextPlan plan_text(const std::string& text, const SpeakOptions& options, const Description& description,
                   const Tokenizer& tokenizer, const TextNormalizer& normalizer) {
  if (strip(to_code_points(text)).empty()) refuse("the text is empty: there is nothing to say");
  auto pieces = encode_text(tokenizer, normalizer, text);
  // Upstream takes a text of one character as it is, and a small letter is then no piece: it is said as it
  // would be among others.
  if (!can_be_said(pieces, tokenizer)) pieces = tokenizer.pieces(separate_cjk(normalizer.normalize(text)));
  if (!can_be_said(pieces, tokenizer))
    refuse("the text has no word in it that the model knows: there is nothing to say");
  TextPlan plan;
  std::set<std::string> unknown;
  for (const auto& piece : pieces) {
    if (!tokenizer.is_known(piece)) unknown.insert(readable(piece));
  }
  if (!unknown.empty()) {
    constexpr std::size_t kMostNamed = 10;
    std::string names;
    std::size_t named = 0;
    for (const auto& piece : unknown) {
      if (named++ == kMostNamed) break;
      names += " " + piece;
    }
    plan.notices.push_back(fmt::format("the model does not know, and will not say:{}{}", names,
                                       unknown.size() > kMostNamed ? " ..." : ""));
  }
  const auto segments =
      split_segments(pieces, options.max_text_tokens_per_segment, options.quick_streaming_tokens);
  for (const auto& segment : segments) {
    plan.segments.push_back(tokenizer.ids(segment));
    // A repeated quote may make one longer than was asked for.
    const auto most = static_cast<std::size_t>(description.widths.text_positions - 2);
    if (plan.segments.back().size() > most) {
      refuse(fmt::format(
          "a segment has {} text tokens and the model takes {}: lower max_text_tokens_per_segment",
          plan.segments.back().size(), most));
    }
  }
  return plan;
}

}  // namespace greenroom::models::index_tts
