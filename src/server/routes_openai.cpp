// OpenAI's speech API, so that its clients work by changing the base URL.
#include <spdlog/fmt/fmt.h>

#include <array>
#include <chrono>
#include <filesystem>
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

constexpr int kNotFound = 404;
constexpr int kPcmRate = 24000;  // what OpenAI's clients take "pcm" to be

// The names of OpenAI's own models stand for the only one there is.
bool is_openai_name(const std::string& model) {
  return model.starts_with("tts-1") || model.starts_with("gpt-4o");
}

std::string speech_model(app::Engine& engine, const std::string& named) {
  const auto model = engine.registry().find(named);
  if (model && model->type == app::kIndexTts) return named;
  if (!model && is_openai_name(named)) return model_for(engine, std::nullopt, app::kIndexTts);
  throw HttpError(kNotFound, "model_not_found",
                  model ? fmt::format("The model '{}' does not speak.", named)
                        : fmt::format("The model '{}' does not exist.", named.substr(0, 200)));
}

base::Json model_entry(const app::RegisteredModel& model) {
  std::error_code error;
  const auto written = std::filesystem::last_write_time(model.path, error);
  const auto created =
      error ? std::chrono::system_clock::time_point() : std::chrono::file_clock::to_sys(written);
  return {{"id", model.id},
          {"object", "model"},
          {"created", std::chrono::duration_cast<std::chrono::seconds>(created.time_since_epoch()).count()},
          {"owned_by", "greenroom"}};
}

// A name or id, or {"id": …}.
std::string voice_name(const base::Json* voice) {
  if (voice != nullptr && voice->is_object() && voice->contains("id")) voice = &voice->at("id");
  if (voice == nullptr || !voice->is_string()) {
    throw Error(ErrorCode::kInvalidArgument, "voice: name a reference voice (GET /api/v1/voices has them)");
  }
  return voice->get<std::string>();
}

enum class Delivery { kWhole, kAudio, kEvents };

struct Asked {
  std::shared_ptr<SpeakOrder> order = std::make_shared<SpeakOrder>();
  Delivery delivery = Delivery::kWhole;
};

Asked read_order(const Context& context, const AudioServices& audio, const Request& request) {
  const auto json = request.json();
  Fields fields(json);
  Asked asked;
  auto& order = *asked.order;
  order.model = speech_model(context.engine, fields.text("model"));
  order.request.text = fields.text("input");
  order.request.voice = audio.voices.audio(audio.voices.get(voice_name(fields.any("voice"))));
  order.encoding = encoding_of(fields, audio::Encoding::kMp3);
  if (order.encoding == audio::Encoding::kPcm) order.sample_rate = kPcmRate;
  order.speed = fields.optional_number("speed", audio::kSlowest, audio::kFastest).value_or(1);
  order.options = speak_options(fields);
  order.how = request_options(fields);
  fields.any("instructions");  // this model takes no such; see docs/api.md
  fields.any("user");
  const auto form = fields.optional_text("stream_format");
  if (form && *form != "audio" && *form != "sse") {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("stream_format: \"{}\" is not audio or sse", *form));
  }
  if (fields.flag("stream", false) || form) asked.delivery = Delivery::kAudio;
  if (form && *form == "sse") asked.delivery = Delivery::kEvents;
  fields.finish();
  return asked;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::size_t kGroup = 3;
  constexpr unsigned kMask = 63;
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += kGroup) {
    unsigned value = 0;
    const std::size_t there = std::min(kGroup, bytes.size() - i);
    for (std::size_t k = 0; k < kGroup; ++k) {
      value = value << 8 | (k < there ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k <= kGroup; ++k) {
      text += k <= there ? kDigits[value >> (6 * (kGroup - k)) & kMask] : '=';
    }
  }
  return text;
}

std::string event(const base::Json& data) {
  return fmt::format("data: {}\n\n", data.dump());
}

Response stream(app::Engine& engine, const Asked& asked, std::function<bool()> gone) {
  const bool as_events = asked.delivery == Delivery::kEvents;
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  const auto run = [&engine, order = asked.order, cancelled, as_events,
                    gone = std::move(gone)](BodyWriter& writer) {
    const AbandonWatch watch(gone, cancelled);
    const auto spoken = speak_streamed(engine, *order, cancelled, [&](std::string_view bytes) {
      if (!as_events) return writer.write(bytes);
      return writer.write(event({{"type", "speech.audio.delta"}, {"audio", base64(bytes)}}));
    });
    if (as_events) {
      writer.write(event({{"type", "speech.audio.done"},
                          {"usage",
                           {{"input_tokens", spoken.text_tokens},
                            {"output_tokens", spoken.speech_tokens},
                            {"total_tokens", spoken.text_tokens + spoken.speech_tokens}}}}));
    }
  };
  return Response::streamed(
             as_events ? "text/event-stream" : std::string(audio::content_type(asked.order->encoding)), run)
      .with("Cache-Control", "no-store");
}

}  // namespace

void add_openai_routes(Router& router, const Context& context, AudioServices& audio) {
  auto& engine = context.engine;
  router.add("POST", "/v1/audio/speech",
             [context, &audio](Request& request) {
               const auto asked = read_order(context, audio, request);
               if (asked.delivery != Delivery::kWhole)
                 return stream(context.engine, asked, request.is_abandoned);
               const auto cancelled = std::make_shared<std::atomic<bool>>(false);
               const AbandonWatch watch(request.is_abandoned, cancelled);
               return audio_response(speak(context.engine, *asked.order, cancelled, {}));
             },
             {.body = Body::kJson, .errors = openai_error});
  router.add("GET", "/v1/models",
             [&engine](Request&) {
               base::Json list = base::Json::array();
               for (const auto& model : engine.registry().list()) {
                 if (model.type == app::kIndexTts) list.push_back(model_entry(model));
               }
               return Response::json({{"object", "list"}, {"data", std::move(list)}});
             },
             {.errors = openai_error});
  const auto model = [&engine](const std::string& id) {
    return Response::json(model_entry(*engine.registry().find(speech_model(engine, id))));
  };
  router.add("GET", "/v1/models/{id}", [model](Request& request) { return model(request.part("id")); },
             {.errors = openai_error});
  // The official client does not encode the slash of an id.
  router.add("GET", "/v1/models/{folder}/{name}",
             [model](Request& request) { return model(request.part("folder") + "/" + request.part("name")); },
             {.errors = openai_error});
}

}  // namespace greenroom::server
