// Emotion as upstream speaks of it: eight scores, from the user or from the emotion model's answer.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace greenroom::models::index_tts {

// happy, angry, sad, afraid, disgusted, melancholic, surprised, calm
inline constexpr std::size_t kEmotions = 8;
using EmotionVector = std::array<double, kEmotions>;
std::string_view emotion_name(std::size_t index);

// Throws base::Error(kInvalidArgument) unless `values` are eight numbers of 0 to 1.2.
EmotionVector check_emotion_vector(const std::vector<double>& values);

// index-tts indextts/infer_v2.py: normalize_emo_vec()
EmotionVector normalize_emotion(EmotionVector vector, bool apply_bias);

// What infer() does with emo_alpha: clamped to 0..1, products cut to four decimals.
EmotionVector scale_emotion(EmotionVector vector, double weight);

// What the emotion model is asked, in its own chat form.
std::string emotion_prompt(std::string_view text);

// The model's answer, JSON or what is left of it; `text` is what was asked about.
EmotionVector parse_emotion_answer(std::string_view answer, std::string_view text);

}  // namespace greenroom::models::index_tts
