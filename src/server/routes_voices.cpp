// Reference voices.
#include "audio/encode.h"
#include "base/error.h"
#include "server/audio_services.h"
#include "server/fields.h"

namespace greenroom::server {
namespace {

constexpr int kCreated = 201;

}  // namespace

base::Json to_json(const app::Voice& voice) {
  return {{"id", voice.id},
          {"name", voice.name},
          {"seconds", voice.seconds},
          {"bytes", voice.bytes},
          {"sample_rate", voice.sample_rate},
          {"created_ms", voice.created_ms}};
}

AudioServices::AudioServices(const app::Engine& engine, const ServerOptions& options,
                             std::function<void(base::Json)> job_changed)
    : memory(options.max_audio_bytes),
      voices(engine.config().cache_dir.empty() ? std::filesystem::path()
                                               : engine.config().cache_dir / "reference_voices"),
      jobs(engine.config().cache_dir.empty() ? std::filesystem::path() : engine.config().cache_dir / "jobs",
           clock, {}, [job_changed = std::move(job_changed)](const app::JobInfo& job) {
             if (job_changed) job_changed(to_json(job));
           }) {}

void add_voice_routes(Router& router, AudioServices& audio) {
  auto& voices = audio.voices;
  router.add("GET", "/api/v1/voices", [&voices](Request&) {
    base::Json list = base::Json::array();
    for (const auto& voice : voices.list()) list.push_back(to_json(voice));
    return Response::json({{"voices", std::move(list)}});
  });
  router.add("POST", "/api/v1/voices",
             [&voices, &memory = audio.memory](Request& request) {
               const auto* file = request.form.file("file");
               if (file == nullptr) {
                 throw base::Error(
                     base::ErrorCode::kInvalidArgument,
                     "there is no file: send the recording as the field \"file\" of multipart/form-data");
               }
               AudioMemory::Claim claim(memory, nullptr);
               const auto voice = voices.add(file->file.path(), request.form.field("name").value_or(""),
                                             claim.reading(file->shown_name()));
               return Response::json(to_json(voice), kCreated).with("Location", "/api/v1/voices/" + voice.id);
             },
             {.body = Body::kForm});
  router.add("GET", "/api/v1/voices/{id}",
             [&voices](Request& request) { return Response::json(to_json(voices.get(request.part("id")))); });
  router.add("GET", "/api/v1/voices/{id}/audio", [&voices](Request& request) {
    return Response::from_file(voices.audio_file(voices.get(request.part("id"))),
                               std::string(audio::content_type(audio::Encoding::kWav)));
  });
  router.add("PATCH", "/api/v1/voices/{id}",
             [&voices](Request& request) {
               const auto json = request.json();
               Fields fields(json);
               const auto name = fields.text("name");
               fields.finish();
               return Response::json(to_json(voices.rename(request.part("id"), name)));
             },
             {.body = Body::kJson});
  router.add("DELETE", "/api/v1/voices/{id}", [&voices](Request& request) {
    voices.remove(request.part("id"));
    return Response::nothing();
  });
}

}  // namespace greenroom::server
