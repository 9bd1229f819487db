#include "api/speech.h"

namespace greenroom::api {

models::SpeakRequest speak_request(const std::string& text, const Audio& speaker_audio,
                                   const IndexTtsOptions& options) {
  models::SpeakRequest request;
  request.text = text;
  request.voice = {speaker_audio.samples, speaker_audio.sample_rate};
  if (const auto& audio = options.emotion_audio) request.emotion_audio = {audio->samples, audio->sample_rate};
  request.emotion_vector = options.emotion_vector;
  request.use_emotion_text = options.emotion_text.has_value();
  request.emotion_text = options.emotion_text.value_or("");
  return request;
}

models::SpeakOptions speak_options(const IndexTtsOptions& options) {
  models::SpeakOptions result;
  result.emotion_weight = options.emotion_weight;
  result.emotion_bias = options.emotion_bias;
  result.use_random = options.use_random;
  result.do_sample = options.do_sample;
  result.num_beams = options.num_beams;
  result.temperature = options.temperature;
  result.top_p = options.top_p;
  result.top_k = options.top_k;
  result.repetition_penalty = options.repetition_penalty;
  result.length_penalty = options.length_penalty;
  result.max_mel_tokens = options.max_mel_tokens;
  result.max_text_tokens_per_segment = options.max_text_tokens_per_segment;
  result.interval_silence_ms = options.interval_silence_ms;
  result.diffusion_steps = options.diffusion_steps;
  result.cfg_rate = options.cfg_rate;
  result.seed = options.seed;
  return result;
}

models::SpeakControl speak_control(const IndexTtsOptions& options) {
  models::SpeakControl control;
  control.progress = options.progress;
  control.cancelled = options.cancelled;
  if (options.on_segment) {
    control.on_segment = [&](const models::SpokenSegment& segment) {
      options.on_segment({segment.audio.samples, segment.audio.sample_rate}, segment.index, segment.count);
    };
  }
  return control;
}

}  // namespace greenroom::api
