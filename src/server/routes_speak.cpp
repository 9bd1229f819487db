// A text and a voice in, speech out: whole, as a job, or as it is made.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "app/catalog.h"
#include "audio/file.h"
#include "audio/time_stretch.h"
#include "base/error.h"
#include "server/audio_order.h"
#include "server/audio_services.h"

namespace greenroom::server {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kAccepted = 202;

// A recording of the upload, or one of the kept voices.
std::optional<audio::Buffer> recording(const Request& request, const app::VoiceLibrary& voices,
                                       AudioMemory::Claim& claim, Fields& fields, const char* file_field,
                                       const char* voice_field) {
  const auto* file = request.form.file(file_field);
  const auto named = fields.optional_text(voice_field);
  if (file != nullptr && named) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("give either {} or the file {}, not both", voice_field, file_field));
  }
  if (file != nullptr) return audio::read_file(file->file.path(), claim.reading(file->shown_name()));
  if (named) return voices.audio(voices.get(*named));
  return std::nullopt;
}

void read_emotion(const Request& request, const app::VoiceLibrary& voices, AudioMemory::Claim& claim,
                  Fields& fields, models::SpeakRequest& result) {
  result.emotion_audio = recording(request, voices, claim, fields, "emotion_audio", "emotion_voice");
  if (const auto* vector = fields.any("emotion_vector"); vector != nullptr && !vector->is_null()) {
    const bool is_numbers =
        vector->is_array() &&
        std::all_of(vector->begin(), vector->end(), [](const auto& each) { return each.is_number(); });
    if (!is_numbers) {
      throw Error(ErrorCode::kInvalidArgument,
                  "emotion_vector: it is an array of eight numbers, 0 to 1.2 each");
    }
    for (const auto& value : *vector) result.emotion_vector.push_back(value.get<double>());
  }
  // "" is the emotion of the text itself.
  if (const auto* text = fields.any("emotion_text"); text != nullptr && !text->is_null()) {
    if (!text->is_string()) throw Error(ErrorCode::kInvalidArgument, "emotion_text: it is a text");
    result.use_emotion_text = true;
    result.emotion_text = text->get<std::string>();
  }
  const int ways = (result.emotion_audio ? 1 : 0) + (result.emotion_vector.empty() ? 0 : 1) +
                   (result.use_emotion_text ? 1 : 0);
  if (ways > 1) {
    throw Error(ErrorCode::kInvalidArgument, "give one of emotion_audio, emotion_vector and emotion_text");
  }
}

struct Asked {
  std::shared_ptr<AudioMemory::Claim> claim;  // for as long as the order lives
  SpeakOrder order;
  bool stream = false;
  bool is_async = false;
};

Asked read_order(const Context& context, AudioServices& audio, const Request& request) {
  const auto json = fields_of(request);
  Fields fields(json);
  Asked asked;
  asked.claim = std::make_shared<AudioMemory::Claim>(audio.memory, nullptr);
  auto& order = asked.order;
  order.model = model_for(context.engine, fields.optional_text("model"), app::kIndexTts);
  order.request.text = fields.text("text");
  auto voice = recording(request, audio.voices, *asked.claim, fields, "file", "voice");
  if (!voice) {
    throw Error(ErrorCode::kInvalidArgument,
                "voice: name a reference voice (GET /api/v1/voices), or upload a recording as \"file\"");
  }
  order.request.voice = *std::move(voice);
  read_emotion(request, audio.voices, *asked.claim, fields, order.request);
  order.options = speak_options(fields);
  order.how = request_options(fields);
  order.encoding = encoding_of(fields, audio::Encoding::kWav);
  order.speed = fields.optional_number("speed", audio::kSlowest, audio::kFastest).value_or(1);
  asked.stream = fields.flag("stream", false);
  asked.is_async = fields.flag("async", false);
  fields.finish();
  if (asked.stream && asked.is_async) {
    throw Error(ErrorCode::kInvalidArgument, "stream and async exclude each other");
  }
  return asked;
}

Response speak_route(const Context& context, AudioServices& audio, Request& request) {
  auto asked = read_order(context, audio, request);
  auto& engine = context.engine;
  if (asked.is_async) {
    const auto order = std::make_shared<const SpeakOrder>(std::move(asked.order));
    const auto job = audio.jobs.start(
        "speak", order->model, [&engine, order, claim = asked.claim](const app::JobControl& control) {
          return speak(engine, *order, control.cancelled,
                       [&](double fraction) { control.progress(fraction, "speaking"); });
        });
    return Response::json({{"job", to_json(job)}}, kAccepted);
  }
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  if (!asked.stream) {
    const AbandonWatch watch(request.is_abandoned, cancelled);
    return audio_response(speak(engine, asked.order, cancelled, {}));
  }
  const auto order = std::make_shared<const SpeakOrder>(std::move(asked.order));
  return Response::streamed(std::string(audio::content_type(order->encoding)),
                            [&engine, order, claim = asked.claim, cancelled,
                             gone = request.is_abandoned](BodyWriter& writer) {
                              const AbandonWatch watch(gone, cancelled);
                              speak_streamed(engine, *order, cancelled,
                                             [&](std::string_view bytes) { return writer.write(bytes); });
                            })
      .with("Cache-Control", "no-store");
}

}  // namespace

void add_speak_routes(Router& router, const Context& context, AudioServices& audio) {
  router.add("POST", "/api/v1/speak",
             [context, &audio](Request& request) { return speak_route(context, audio, request); },
             {.body = Body::kJsonOrForm});
}

}  // namespace greenroom::server
