#include "worker/wire.h"

#include <array>
#include <vector>

namespace greenroom::worker {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

constexpr std::array kCodes = {ErrorCode::kInvalidArgument,    ErrorCode::kNotFound,
                               ErrorCode::kDataLoss,           ErrorCode::kResourceExhausted,
                               ErrorCode::kFailedPrecondition, ErrorCode::kUnavailable,
                               ErrorCode::kDeadlineExceeded,   ErrorCode::kCancelled,
                               ErrorCode::kUnimplemented,      ErrorCode::kInternal};

// The members of a struct are named once, in fields_of, for both directions.
class Writer {
 public:
  template <typename T>
  void operator()(const char* name, const T& value) {
    tree_[name] = value;
  }
  template <typename T>
  void operator()(const char* name, const std::optional<T>& value) {
    if (value) tree_[name] = *value;
  }
  Json take() { return std::move(tree_); }

 private:
  Json tree_ = Json::object();
};

class Reader {
 public:
  explicit Reader(const Json& tree) : tree_(tree) {}
  template <typename T>
  void operator()(const char* name, T& value) {
    value = get<T>(tree_, name);
  }
  template <typename T>
  void operator()(const char* name, std::optional<T>& value) {
    if (tree_.contains(name)) value = get<T>(tree_, name);
  }

 private:
  const Json& tree_;
};

template <typename Visit, typename Options>
void fields_of_convert(Visit& visit, Options& options) {
  visit("speaker", options.speaker);
  visit("speaker_mix", options.speaker_mix);
  visit("key_semitones", options.key_semitones);
  visit("formant_semitones", options.formant_semitones);
  visit("vocal_register_semitones", options.vocal_register_semitones);
  visit("f0_extractor", options.f0_extractor);
  visit("f0_min_hz", options.f0_min_hz);
  visit("threshold_db", options.threshold_db);
  visit("steps", options.steps);
  visit("method", options.method);
  visit("t_start", options.t_start);
  visit("degradation", options.degradation);
  visit("seed", options.seed);
}

template <typename Visit, typename Options>
void fields_of_speak(Visit& visit, Options& options) {
  visit("emotion_weight", options.emotion_weight);
  visit("emotion_bias", options.emotion_bias);
  visit("use_random", options.use_random);
  visit("do_sample", options.do_sample);
  visit("num_beams", options.num_beams);
  visit("temperature", options.temperature);
  visit("top_p", options.top_p);
  visit("top_k", options.top_k);
  visit("repetition_penalty", options.repetition_penalty);
  visit("length_penalty", options.length_penalty);
  visit("typical_sampling", options.typical_sampling);
  visit("typical_mass", options.typical_mass);
  visit("max_mel_tokens", options.max_mel_tokens);
  visit("max_text_tokens_per_segment", options.max_text_tokens_per_segment);
  visit("quick_streaming_tokens", options.quick_streaming_tokens);
  visit("interval_silence_ms", options.interval_silence_ms);
  visit("diffusion_steps", options.diffusion_steps);
  visit("cfg_rate", options.cfg_rate);
  visit("degradation", options.degradation);
  visit("seed", options.seed);
}

template <typename Visit, typename Request>
void fields_of_request(Visit& visit, Request& request) {
  visit("text", request.text);
  visit("emotion_vector", request.emotion_vector);
  visit("use_emotion_text", request.use_emotion_text);
  visit("emotion_text", request.emotion_text);
}

// Of both results.
template <typename Visit, typename Result>
void fields_of_result(Visit& visit, Result& result) {
  visit("rate", result.audio.sample_rate);
  visit("peak_workspace_bytes", result.peak_workspace_bytes);
  visit("notices", result.notices);
}

template <typename Visit, typename Result>
void fields_of_speech(Visit& visit, Result& result) {
  fields_of_result(visit, result);
  visit("segments", result.segments);
  visit("text_tokens", result.text_tokens);
  visit("speech_tokens", result.speech_tokens);
  visit("voice_was_known", result.voice_was_known);
}

template <typename Visit, typename Features>
void fields_of_features(Visit& visit, Features& features) {
  visit("audio_seconds", features.audio_seconds);
  visit("reference_seconds", features.reference_seconds);
  visit("text_tokens", features.text_tokens);
  visit("steps", features.steps);
  visit("beams", features.beams);
}

constexpr const char* kStageTimes = "stage_times";

Json times_to_tree(const std::vector<models::StageTime>& times) {
  Json tree = Json::array();
  for (const auto& time : times) tree.push_back({time.stage, time.seconds});
  return tree;
}

std::vector<models::StageTime> times_from(const Json& tree) {
  std::vector<models::StageTime> times;
  for (auto& [stage, seconds] : get<std::vector<std::pair<std::string, double>>>(tree, kStageTimes)) {
    times.push_back({std::move(stage), seconds});
  }
  return times;
}

}  // namespace

Json to_tree(const Error& error) {
  Json tree = {{"code", std::string(base::error_code_name(error.code()))}, {"message", error.what()}};
  if (error.retry_after()) tree["retry_after_ms"] = error.retry_after()->count();
  return tree;
}

Error error_from(const Json& tree) {
  const auto name = get<std::string>(tree, "code");
  ErrorCode code = ErrorCode::kInternal;
  for (const ErrorCode known : kCodes) {
    if (base::error_code_name(known) == name) code = known;
  }
  std::optional<std::chrono::milliseconds> retry_after;
  if (tree.contains("retry_after_ms")) {
    retry_after = std::chrono::milliseconds(get<std::int64_t>(tree, "retry_after_ms"));
  }
  return {code, get<std::string>(tree, "message"), retry_after};
}

base::DeviceId device_from(const Json& tree) {
  const auto device = base::parse_device_id(get<std::string>(tree, key::kDevice));
  if (!device) throw Error(ErrorCode::kDataLoss, "a message between greenroom's processes names no device");
  return *device;
}

Json to_tree(const core::WorkspaceNeed& need) {
  Writer write;
  write(key::kBytes, need.bytes);
  fields_of_features(write, need.features);
  return write.take();
}

core::WorkspaceNeed need_from(const Json& tree) {
  core::WorkspaceNeed need;
  Reader read(tree);
  read(key::kBytes, need.bytes);
  fields_of_features(read, need.features);
  return need;
}

Json to_tree(const models::ConvertOptions& options) {
  Writer write;
  fields_of_convert(write, options);
  return write.take();
}

models::ConvertOptions convert_options_from(const Json& tree) {
  models::ConvertOptions options;
  Reader read(tree);
  fields_of_convert(read, options);
  return options;
}

Json to_tree(const models::SpeakOptions& options) {
  Writer write;
  fields_of_speak(write, options);
  return write.take();
}

models::SpeakOptions speak_options_from(const Json& tree) {
  models::SpeakOptions options;
  Reader read(tree);
  fields_of_speak(read, options);
  return options;
}

Json to_tree(const models::SpeakRequest& request) {
  Writer write;
  fields_of_request(write, request);
  return write.take();
}

models::SpeakRequest speak_request_from(const Json& tree) {
  models::SpeakRequest request;
  Reader read(tree);
  fields_of_request(read, request);
  return request;
}

Json to_tree(const models::ConvertResult& result) {
  Writer write;
  fields_of_result(write, result);
  Json tree = write.take();
  tree[kStageTimes] = times_to_tree(result.stage_times);
  return tree;
}

models::ConvertResult convert_result_from(const Json& tree) {
  models::ConvertResult result;
  Reader read(tree);
  fields_of_result(read, result);
  result.stage_times = times_from(tree);
  return result;
}

Json to_tree(const models::SpeakResult& result) {
  Writer write;
  fields_of_speech(write, result);
  Json tree = write.take();
  tree[kStageTimes] = times_to_tree(result.stage_times);
  return tree;
}

models::SpeakResult speak_result_from(const Json& tree) {
  models::SpeakResult result;
  Reader read(tree);
  fields_of_speech(read, result);
  result.stage_times = times_from(tree);
  return result;
}

}  // namespace greenroom::worker
