#include "server/audio_order.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <sstream>
#include <utility>

#include "app/catalog.h"
#include "audio/resample_soxr.h"
#include "audio/time_stretch.h"
#include "base/error.h"

namespace greenroom::server {
namespace {

using base::Error;
using base::ErrorCode;
using Seconds = std::chrono::duration<double>;

// Fields that are texts whatever they look like.
bool is_text(std::string_view name) {
  constexpr std::array<std::string_view, 11> kTexts = {
      "model",           "text", "input",       "voice",        "name", "method", "emotion_text",
      "response_format", "f0",   "speaker_mix", "emotion_voice"};
  return std::find(kTexts.begin(), kTexts.end(), name) != kTexts.end();
}

// "1:0.3,2:0.7"
std::vector<std::pair<int, double>> parse_mix(const std::string& text) {
  std::vector<std::pair<int, double>> mix;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) {
    std::istringstream parts(item);
    int speaker = 0;
    char colon = 0;
    double weight = 0;
    if (!(parts >> speaker >> colon >> weight) || colon != ':' || !parts.eof()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("speaker_mix: \"{}\" is not of the form 1:0.3,2:0.7", text));
    }
    mix.emplace_back(speaker, weight);
  }
  return mix;
}

int integer(Fields& fields, const char* name, int otherwise, int low, int high) {
  return static_cast<int>(fields.optional_integer(name, low, high).value_or(otherwise));
}

base::Json times_of(const std::vector<models::StageTime>& stages) {
  base::Json json = base::Json::object();
  for (const auto& stage : stages) json[stage.stage] = stage.seconds;
  return json;
}

// Encodes what was made in `elapsed` seconds.
app::JobResult finish(const audio::Buffer& audio, audio::Encoding encoding, double elapsed,
                      const std::vector<models::StageTime>& stages, const std::vector<std::string>& notices) {
  app::JobResult result;
  result.content_type = audio::content_type(encoding);
  result.extension = audio::encoding_name(encoding);
  result.bytes = audio::encode(audio, encoding);
  result.details = {{"seconds", audio.seconds()},
                    {"sample_rate", audio.sample_rate},
                    {"real_time_factor", audio.seconds() > 0 ? elapsed / audio.seconds() : 0},
                    {"stage_times", times_of(stages)},
                    {"notices", notices}};
  return result;
}

audio::Buffer shaped(audio::Buffer audio, const SpeakOrder& order) {
  if (order.speed != 1) audio = audio::time_stretch(audio, order.speed);
  if (order.sample_rate && *order.sample_rate != audio.sample_rate) {
    audio.samples = audio::resample_soxr_hq(audio.samples, audio.sample_rate, *order.sample_rate);
    audio.sample_rate = *order.sample_rate;
  }
  return audio;
}

}  // namespace

base::Json fields_of(const Request& request) {
  if (request.form.fields.empty() && request.form.files.empty()) return request.json();
  base::Json json = base::Json::object();
  for (const auto& [name, value] : request.form.fields) {
    if (json.contains(name)) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("the field \"{}\" is there twice", name));
    }
    json[name] = value;
    if (is_text(name)) continue;
    try {
      auto parsed = base::parse_json(value, name, {.max_bytes = 1U << 12, .max_depth = 2});
      if (!parsed.is_object()) json[name] = std::move(parsed);
    } catch (const Error&) {  // no number: a text, and for its reader to refuse
    }
  }
  return json;
}

std::string model_for(app::Engine& engine, const std::optional<std::string>& named, const char* type) {
  if (named) {
    const auto model = engine.registry().find(*named);
    if (!model) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("there is no model '{}': register it first", named->substr(0, 200)));
    }
    if (model->type == type) return *named;
    throw Error(
        ErrorCode::kInvalidArgument,
        model->type == app::kIndexTts
            ? fmt::format("'{}' is an IndexTTS model: it speaks text and converts no recordings", *named)
            : fmt::format("'{}' is a {} voice: it converts recordings and speaks no text", *named,
                          model->type));
  }
  std::string ids;
  std::vector<std::string> fitting;
  for (const auto& model : engine.registry().list()) {
    if (model.type != type) continue;
    fitting.push_back(model.id);
    ids += (ids.empty() ? "" : ", ") + model.id;
  }
  if (fitting.size() == 1) return fitting.front();
  throw Error(fitting.empty() ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
              fitting.empty() ? fmt::format("there is no {} model: register one first", type)
                              : fmt::format("model: name one of {}", ids));
}

models::SpeakOptions speak_options(Fields& fields) {
  constexpr int kMany = 1'000'000;
  models::SpeakOptions options;
  const auto number = [&](const char* name, double& value) {
    value = fields.optional_number(name, -1e9, 1e9).value_or(value);
  };
  number("emotion_weight", options.emotion_weight);
  options.emotion_bias = fields.flag("emotion_bias", options.emotion_bias);
  options.use_random = fields.flag("use_random", options.use_random);
  options.do_sample = fields.flag("do_sample", options.do_sample);
  options.num_beams = integer(fields, "num_beams", options.num_beams, 1, 64);
  number("temperature", options.temperature);
  number("top_p", options.top_p);
  options.top_k = integer(fields, "top_k", options.top_k, 0, kMany);
  number("repetition_penalty", options.repetition_penalty);
  number("length_penalty", options.length_penalty);
  options.typical_sampling = fields.flag("typical_sampling", options.typical_sampling);
  number("typical_mass", options.typical_mass);
  options.max_mel_tokens = integer(fields, "max_mel_tokens", options.max_mel_tokens, 1, kMany);
  options.max_text_tokens_per_segment =
      integer(fields, "max_text_tokens_per_segment", options.max_text_tokens_per_segment, 1, kMany);
  options.quick_streaming_tokens =
      integer(fields, "quick_streaming_tokens", options.quick_streaming_tokens, 0, kMany);
  options.interval_silence_ms =
      integer(fields, "interval_silence_ms", options.interval_silence_ms, 0, 60'000);
  options.diffusion_steps = integer(fields, "diffusion_steps", options.diffusion_steps, 1, 1000);
  number("cfg_rate", options.cfg_rate);
  options.seed = static_cast<std::uint64_t>(
      fields.optional_integer("seed", 0, INT64_MAX).value_or(static_cast<std::int64_t>(options.seed)));
  return options;
}

models::ConvertOptions convert_options(Fields& fields) {
  models::ConvertOptions options;
  options.speaker = integer(fields, "speaker", options.speaker, 1, 1'000'000);
  if (const auto mix = fields.optional_text("speaker_mix")) options.speaker_mix = parse_mix(*mix);
  options.key_semitones = fields.optional_number("key", -100, 100).value_or(options.key_semitones);
  options.formant_semitones =
      fields.optional_number("formant", -100, 100).value_or(options.formant_semitones);
  options.vocal_register_semitones =
      fields.optional_number("vocal_register", -100, 100).value_or(options.vocal_register_semitones);
  options.f0_extractor = fields.optional_text("f0").value_or(options.f0_extractor);
  options.threshold_db = fields.optional_number("threshold", -1000, 1000).value_or(options.threshold_db);
  if (const auto steps = fields.optional_integer("steps", 1, 1000)) options.steps = static_cast<int>(*steps);
  options.t_start = fields.optional_number("t_start", 0, 1);
  if (const auto method = fields.optional_text("method")) {
    if (*method != "euler" && *method != "rk4") {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("method: \"{}\" is not euler or rk4", *method));
    }
    options.method = *method == "euler" ? models::OdeMethod::kEuler : models::OdeMethod::kRk4;
  }
  options.seed = static_cast<std::uint64_t>(fields.optional_integer("seed", 0, INT64_MAX).value_or(0));
  return options;
}

app::RequestOptions request_options(Fields& fields) {
  app::RequestOptions how;
  how.priority = integer(fields, "priority", 0, -10, 10);
  if (const auto seconds = fields.optional_number("timeout_seconds", 0, 1e6)) {
    how.timeout = std::chrono::duration_cast<std::chrono::nanoseconds>(Seconds(*seconds));
  }
  return how;
}

audio::Encoding encoding_of(Fields& fields, audio::Encoding otherwise) {
  const auto name = fields.optional_text("response_format");
  const auto encoding = name ? audio::parse_encoding(*name) : otherwise;
  if (!encoding) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("response_format: \"{}\" is none of {}",
                                                         name->substr(0, 40), audio::encodings_here()));
  }
  if (!audio::can_encode(*encoding)) {
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("response_format: the libsndfile that is installed cannot write {}; there is {}",
                            audio::encoding_name(*encoding), audio::encodings_here()));
  }
  return *encoding;
}

app::JobResult speak(app::Engine& engine, const SpeakOrder& order,
                     const std::shared_ptr<std::atomic<bool>>& cancelled, const Progress& progress) {
  models::SpeakControl control;
  control.progress = progress;
  control.cancelled = cancelled;
  const auto began = std::chrono::steady_clock::now();
  auto result = engine.speak(order.model, order.request, order.options, control, order.how);
  const double elapsed = Seconds(std::chrono::steady_clock::now() - began).count();
  auto answer = finish(shaped(std::move(result.audio), order), order.encoding, elapsed, result.stage_times,
                       result.notices);
  answer.details["segments"] = result.segments;
  answer.details["text_tokens"] = result.text_tokens;
  answer.details["speech_tokens"] = result.speech_tokens;
  answer.details["voice_was_known"] = result.voice_was_known;
  return answer;
}

app::JobResult convert(app::Engine& engine, const ConvertOrder& order, const audio::Buffer& input,
                       const std::shared_ptr<std::atomic<bool>>& cancelled, const Progress& progress) {
  const auto began = std::chrono::steady_clock::now();
  const auto result = engine.convert(order.model, input, order.options, {progress, cancelled}, order.how);
  const double elapsed = Seconds(std::chrono::steady_clock::now() - began).count();
  return finish(result.audio, order.encoding, elapsed, result.stage_times, result.notices);
}

models::SpeakResult speak_streamed(app::Engine& engine, const SpeakOrder& order,
                                   const std::shared_ptr<std::atomic<bool>>& cancelled,
                                   const std::function<bool(std::string_view)>& write) {
  std::optional<audio::StreamEncoder> encoder;
  models::SpeakControl control;
  control.cancelled = cancelled;
  control.on_segment = [&](const models::SpokenSegment& segment) {
    const auto audio = shaped(segment.audio, order);
    if (!encoder) encoder.emplace(order.encoding, audio.sample_rate);
    const auto bytes = encoder->add(audio.samples);
    if (!bytes.empty() && !write(bytes)) cancelled->store(true);
  };
  auto result = engine.speak(order.model, order.request, order.options, control, order.how);
  if (encoder) write(encoder->finish());
  result.audio = {};
  return result;
}

Response audio_response(app::JobResult result) {
  Response response;
  const auto& details = result.details;
  response.body = std::move(result.bytes);
  response.headers.set("Content-Type", result.content_type);
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("X-Greenroom-Seconds", fmt::format("{:.3f}", details["seconds"].get<double>()));
  response.headers.set("X-Greenroom-Sample-Rate", std::to_string(details["sample_rate"].get<int>()));
  response.headers.set("X-Greenroom-Real-Time-Factor",
                       fmt::format("{:.3f}", details["real_time_factor"].get<double>()));
  // JSON, so that any text fits into a header.
  response.headers.set("X-Greenroom-Notices", details["notices"].dump(-1, ' ', /*ensure_ascii=*/true));
  return response;
}

AbandonWatch::AbandonWatch(std::function<bool()> has_gone, std::shared_ptr<std::atomic<bool>> cancelled)
    : has_gone_(std::move(has_gone)), cancelled_(std::move(cancelled)), thread_([this] { watch(); }) {}

AbandonWatch::~AbandonWatch() {
  {
    base::MutexLock lock(mutex_);
    is_over_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

void AbandonWatch::watch() {
  constexpr std::chrono::milliseconds kInterval{50};
  for (;;) {
    if (has_gone_()) cancelled_->store(true);
    base::MutexLock lock(mutex_);
    if (!is_over_) wake_.wait_until(mutex_, std::chrono::steady_clock::now() + kInterval);
    if (is_over_) return;
  }
}

}  // namespace greenroom::server
