// Jobs: what goes on without its asker waiting. Making the demo models is one.
#include "app/demo.h"
#include "audio/encode.h"
#include "base/error.h"
#include "server/audio_services.h"
#include "server/event_stream.h"

namespace greenroom::server {
namespace {

constexpr int kAccepted = 202;
constexpr double kDemoFiles = 40;  // about; for the progress

app::JobResult make_demo(app::Engine& engine, app::VoiceLibrary& voices, const app::JobControl& control) {
  double files = 0;
  app::JobResult result;
  const auto ids = app::make_demo(engine, voices, [&](const std::string& file) {
    if (*control.cancelled)
      throw base::Error(base::ErrorCode::kCancelled, "making the demo models was cancelled");
    control.progress(++files / kDemoFiles, file);
  });
  result.details = {{"models", ids}, {"voice", "demo"}};
  return result;
}

}  // namespace

base::Json to_json(const app::JobInfo& job) {
  base::Json json = {{"id", job.id},
                     {"kind", job.kind},
                     {"state", app::job_state_name(job.state)},
                     {"fraction", job.fraction},
                     {"model", job.model},
                     {"created_ms", job.created_ms}};
  if (!job.stage.empty()) json["stage"] = job.stage;
  if (job.started_ms) json["started_ms"] = *job.started_ms;
  if (job.ended_ms) json["ended_ms"] = *job.ended_ms;
  if (!job.error.empty()) {
    json["error"] = job.error;
    json["code"] = job.error_code;
  }
  if (!job.result.is_null()) json["result"] = job.result;
  return json;
}

void add_job_routes(Router& router, const Context& context, AudioServices& audio) {
  auto& jobs = audio.jobs;
  router.add("GET", "/api/v1/jobs", [&jobs](Request&) {
    base::Json list = base::Json::array();
    for (const auto& job : jobs.list()) list.push_back(to_json(job));
    return Response::json({{"jobs", std::move(list)}});
  });
  router.add("GET", "/api/v1/jobs/{id}",
             [&jobs](Request& request) { return Response::json(to_json(jobs.get(request.part("id")))); });
  router.add("GET", "/api/v1/jobs/{id}/audio", [&jobs](Request& request) {
    auto result = jobs.result(request.part("id"));
    return Response::from_file(result.path, result.content_type, result.keeper);
  });
  router.add("POST", "/api/v1/jobs/{id}/cancel",
             [&jobs](Request& request) { return Response::json(to_json(jobs.cancel(request.part("id")))); },
             {.body = Body::kJson, .while_draining = true});
  router.add("DELETE", "/api/v1/jobs/{id}",
             [&jobs](Request& request) {
               jobs.remove(request.part("id"));
               return Response::nothing();
             },
             {.while_draining = true});
  router.add("POST", "/api/v1/demo",
             [context, &audio](Request&) {
               const auto job =
                   audio.jobs.start("demo", "", [context, &audio](const app::JobControl& control) {
                     auto result = make_demo(context.engine, audio.voices, control);
                     context.events.note_change();  // registered models are no event of the manager's
                     return result;
                   });
               return Response::json({{"job", to_json(job)}}, kAccepted);
             },
             {.body = Body::kJson});
  router.add("GET", "/api/v1/formats", [](Request&) {
    base::Json list = base::Json::array();
    for (const char* name : {"wav", "flac", "mp3", "opus", "pcm"}) {
      const auto encoding = *audio::parse_encoding(name);
      list.push_back({{"name", name},
                      {"content_type", audio::content_type(encoding)},
                      {"available", audio::can_encode(encoding)}});
    }
    return Response::json({{"formats", std::move(list)}});
  });
}

}  // namespace greenroom::server
