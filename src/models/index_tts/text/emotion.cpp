#include "models/index_tts/text/emotion.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/json.h"

namespace greenroom::models::index_tts {
namespace {

constexpr double kHighestScore = 1.2;

struct Names {
  std::string_view english;
  std::string_view chinese;
};

constexpr std::array<Names, kEmotions> kNames{{{"happy", "高兴"},
                                               {"angry", "愤怒"},
                                               {"sad", "悲伤"},
                                               {"afraid", "恐惧"},
                                               {"disgusted", "反感"},
                                               {"melancholic", "低落"},
                                               {"surprised", "惊讶"},
                                               {"calm", "自然"}}};
constexpr std::size_t kSad = 2;
constexpr std::size_t kMelancholic = 5;
constexpr std::size_t kCalm = 7;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::optional<std::size_t> find_emotion(std::string_view word) {
  const std::string wanted = lower(word);
  for (std::size_t i = 0; i < kEmotions; ++i) {
    if (wanted == kNames[i].english || wanted == kNames[i].chinese) return i;
  }
  return std::nullopt;
}

// A word in place of a score, or under a key like "emotion", is the whole answer.
void take_word(const std::string& word, EmotionVector& scores) {
  if (const auto index = find_emotion(word)) scores[*index] = 1;
}

bool take_json(const base::Json& json, EmotionVector& scores) {
  if (json.is_string()) {
    take_word(json.get<std::string>(), scores);
    return true;
  }
  if (!json.is_object()) return false;
  for (const auto& [key, value] : json.items()) {
    const auto index = find_emotion(key);
    if (value.is_number() && index) scores[*index] = value.get<double>();
    if (value.is_string()) take_word(value.get<std::string>(), scores);
  }
  return true;
}

bool ends_word(char c) {
  return c == '"' || c == ':' || c == '.' || c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// word": 0.5
void take_pairs(std::string_view text, EmotionVector& scores) {
  for (std::size_t colon = text.find(':'); colon != std::string_view::npos;
       colon = text.find(':', colon + 1)) {
    std::size_t end = colon;
    while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '"')) --end;
    std::size_t begin = end;
    while (begin > 0 && !ends_word(text[begin - 1])) --begin;
    std::size_t number = colon + 1;
    while (number < text.size() && text[number] == ' ') ++number;
    std::size_t stop = number;
    while (stop < text.size() && ((text[stop] >= '0' && text[stop] <= '9') || text[stop] == '.')) ++stop;
    const auto index = find_emotion(text.substr(begin, end - begin));
    if (!index || stop == number) continue;
    scores[*index] = std::strtod(std::string(text.substr(number, stop - number)).c_str(), nullptr);
  }
}

bool speaks_of_melancholy(std::string_view text) {
  constexpr std::array<std::string_view, 6> kWords{"低落",       "melancholy", "melancholic",
                                                   "depression", "depressed",  "gloomy"};
  const std::string all = lower(text);
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return all.find(word) != std::string::npos; });
}

}  // namespace

std::string_view emotion_name(std::size_t index) {
  return kNames.at(index).english;
}

EmotionVector check_emotion_vector(const std::vector<double>& values) {
  if (values.size() != kEmotions) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("the emotion vector has {} numbers; 8 are needed: happy, angry, sad, afraid, disgusted, "
                    "melancholic, surprised, calm",
                    values.size()));
  }
  EmotionVector vector{};
  for (std::size_t i = 0; i < kEmotions; ++i) {
    if (!(values[i] >= 0 && values[i] <= kHighestScore)) {
      throw base::Error(
          base::ErrorCode::kInvalidArgument,
          fmt::format("the emotion vector's {} is {}; allowed are 0 to 1.2", kNames[i].english, values[i]));
    }
    vector[i] = values[i];
  }
  return vector;
}

EmotionVector normalize_emotion(EmotionVector vector, bool apply_bias) {
  constexpr EmotionVector kBias{0.9375, 0.875, 1, 1, 0.9375, 0.9375, 0.6875, 0.5625};
  constexpr double kMost = 0.8;
  if (apply_bias) {
    for (std::size_t i = 0; i < kEmotions; ++i) vector[i] *= kBias[i];
  }
  const double sum = std::accumulate(vector.begin(), vector.end(), 0.0);
  if (sum > kMost) {
    const double factor = kMost / sum;
    for (double& value : vector) value *= factor;
  }
  return vector;
}

EmotionVector scale_emotion(EmotionVector vector, double weight) {
  constexpr double kSteps = 10000;
  const double scale = std::clamp(weight, 0.0, 1.0);
  if (scale == 1) return vector;
  for (double& value : vector) value = std::trunc(value * scale * kSteps) / kSteps;
  return vector;
}

std::string emotion_prompt(std::string_view text) {
  // A user's text must not close its own turn.
  std::string safe(text);
  for (const std::string_view mark : {"<|im_start|>", "<|im_end|>", "<|endoftext|>"}) {
    for (std::size_t at = safe.find(mark); at != std::string::npos; at = safe.find(mark, at))
      safe.erase(at, mark.size());
  }
  return fmt::format(
      "<|im_start|>system\n文本情感分类<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
      "<think>\n\n</think>\n\n",
      safe);
}

EmotionVector parse_emotion_answer(std::string_view answer, std::string_view text) {
  EmotionVector scores{};
  bool parsed = false;
  try {
    parsed = take_json(base::parse_json(answer, "the emotion model's answer"), scores);
  } catch (const base::Error&) {
    scores = {};  // no JSON: the pairs below may still be there
  }
  if (!parsed) take_pairs(answer, scores);
  if (speaks_of_melancholy(text)) std::swap(scores[kSad], scores[kMelancholic]);
  for (double& score : scores) score = std::clamp(score, 0.0, kHighestScore);
  if (std::all_of(scores.begin(), scores.end(), [](double score) { return score <= 0; })) scores[kCalm] = 1;
  return scores;
}

}  // namespace greenroom::models::index_tts
