// A recording in, the same in another voice out.
#include <algorithm>
#include <memory>
#include <utility>

#include "app/catalog.h"
#include "audio/file.h"
#include "base/error.h"
#include "server/audio_order.h"
#include "server/audio_services.h"

namespace greenroom::server {
namespace {

constexpr int kAccepted = 202;

Response convert_route(const Context& context, AudioServices& audio, Request& request) {
  const auto json = fields_of(request);
  Fields fields(json);
  ConvertOrder order;
  order.model = model_for(context.engine, fields.optional_text("model"), app::kDdspSvc);
  order.options = convert_options(fields);
  order.how = request_options(fields);
  order.encoding = encoding_of(fields, audio::Encoding::kWav);
  const bool is_async = fields.flag("async", false);
  fields.finish();
  auto file = std::find_if(request.form.files.begin(), request.form.files.end(),
                           [](const auto& each) { return each.field == "file"; });
  if (file == request.form.files.end()) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      "there is no file: send the recording as the field \"file\" of multipart/form-data");
  }
  if (!is_async) {
    AudioMemory::Claim claim(audio.memory, nullptr);
    const auto input = audio::read_file(file->file.path(), claim.reading(file->shown_name()));
    const auto cancelled = std::make_shared<std::atomic<bool>>(false);
    const AbandonWatch watch(request.is_abandoned, cancelled);
    return audio_response(convert(context.engine, order, input, cancelled, {}));
  }
  // Read when its turn comes, so that jobs that wait take no memory.
  const auto kept = std::make_shared<TempFile>(std::move(file->file));
  const auto job =
      audio.jobs.start("convert", order.model,
                       [&engine = context.engine, &memory = audio.memory, order, kept,
                        name = file->shown_name()](const app::JobControl& control) {
                         AudioMemory::Claim claim(memory, control.cancelled);
                         const auto input = audio::read_file(kept->path(), claim.reading(name));
                         return convert(engine, order, input, control.cancelled,
                                        [&](double fraction) { control.progress(fraction, "converting"); });
                       });
  return Response::json({{"job", to_json(job)}}, kAccepted);
}

}  // namespace

void add_convert_routes(Router& router, const Context& context, AudioServices& audio) {
  router.add("POST", "/api/v1/convert",
             [context, &audio](Request& request) { return convert_route(context, audio, request); },
             {.body = Body::kForm});
}

}  // namespace greenroom::server
