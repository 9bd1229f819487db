// Models: registering, loading, unloading, keeping.
#include <spdlog/fmt/fmt.h>

#include "base/error.h"
#include "server/context.h"
#include "server/fields.h"

namespace greenroom::server {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kCreated = 201;
constexpr int kAccepted = 202;
constexpr double kLongest = 1e9;  // seconds

// A path of ours has that name in the place of an id.
void check_not_taken(const std::string& id) {
  if (id != "browse" && id != "unload") return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("the id \"{}\" is a word of the API; choose another", id));
}

Response add(const Context& context, Request& request) {
  const auto json = request.json();
  Fields fields(json);
  const auto path = fields.text("path");
  const auto id = fields.optional_text("id").value_or("");
  const auto device = fields.optional_text("device").value_or("");
  const bool load = fields.flag("load", false);
  fields.finish();
  check_not_taken(id);
  const auto added = context.engine.registry().add(context.roots.check(path), device, id);
  context.events.note_change();
  if (load) context.loads.load(added);
  return Response::json(context.board.entry(added), kCreated);
}

Response remove(const Context& context, const Request& request) {
  context.engine.registry().forget(request.part("id"));
  context.board.note_problem(request.part("id"), std::nullopt);
  context.events.note_change();
  return Response::nothing();
}

void set_device(const Context& context, const std::string& id, const std::string& device) {
  const auto model = context.engine.registry().find(id);
  if (!model) throw Error(ErrorCode::kNotFound, fmt::format("there is no model '{}'", id));
  if (device == model->device) return;
  if (device != "auto") context.engine.pick_device(device);  // throws when there is none
  context.engine.registry().add(model->path, device, id);
}

Response load(const Context& context, const Request& request) {
  const auto json = request.json();
  Fields fields(json);
  const auto device = fields.optional_text("device");
  const bool wait = fields.flag("wait", true);
  fields.finish();
  const std::string id = request.part("id");
  if (device) set_device(context, id, *device);
  if (wait) {
    context.loads.load(id);
  } else {
    context.loads.start(id);
  }
  context.events.note_change();
  return Response::json(context.board.entry(id), wait ? 200 : kAccepted);
}

Response cancel(const Context& context, const Request& request) {
  const std::string id = request.part("id");
  const auto entry = context.board.entry(id);  // throws when there is none
  const auto info = context.engine.model_info(id);
  if (!info || info->status != core::ModelStatus::kLoading) {
    throw Error(ErrorCode::kFailedPrecondition, fmt::format("'{}' is not being loaded", id));
  }
  context.engine.cancel_load(id);
  context.events.note_change();
  return Response::json(context.board.entry(id));
}

Response unload(const Context& context, const Request& request) {
  const auto json = request.json();
  Fields fields(json);
  const bool force = fields.flag("force", false);
  fields.finish();
  const std::string id = request.part("id");
  const auto before = context.board.entry(id);  // throws when there is none
  context.loads.unload(id, force);
  context.events.note_change();
  // A model that was only loaded, never registered, may be unknown now.
  if (!context.engine.registry().find(id) && !context.engine.model_info(id)) {
    auto gone = before;
    gone["status"] = "unloaded";
    gone["bytes"] = gone["holds"] = 0;
    gone["components"] = base::Json::array();
    return Response::json(gone);
  }
  return Response::json(context.board.entry(id));
}

Response unload_all(const Context& context, const Request& request) {
  const auto json = request.json();
  Fields fields(json);
  const bool force = fields.flag("force", false);
  fields.finish();
  const auto result = context.loads.unload_all(force);
  context.events.note_change();
  base::Json kept = base::Json::array();
  for (const auto& one : result.kept) kept.push_back({{"id", one.id}, {"reason", one.reason}});
  return Response::json({{"unloaded", result.unloaded}, {"kept", std::move(kept)}});
}

Response change(const Context& context, const Request& request) {
  const auto json = request.json();
  Fields fields(json);
  const std::string id = request.part("id");
  const auto model = context.engine.registry().find(id);
  if (!model) throw Error(ErrorCode::kNotFound, fmt::format("there is no model '{}'", id));
  app::Keep keep{model->pinned, model->baseline, model->keep_alive_seconds};
  keep.pinned = fields.flag("pinned", keep.pinned);
  keep.baseline = fields.flag("baseline", keep.baseline);
  if (fields.has("keep_alive_seconds")) {
    keep.keep_alive_seconds = fields.optional_number("keep_alive_seconds", -1, kLongest);
  }
  const auto device = fields.optional_text("device");
  fields.finish();
  if (device) set_device(context, id, *device);
  context.engine.registry().keep(id, keep);
  context.events.note_change();
  return Response::json(context.board.entry(id));
}

}  // namespace

void add_model_routes(Router& router, const Context& context) {
  const auto route = [&](const char* method, const char* path,
                         Response (*act)(const Context&, const Request&)) {
    router.add(method, path, [context, act](Request& request) { return act(context, request); },
               {.body = Body::kJson});
  };
  router.add("GET", "/api/v1/models", [context](Request&) {
    base::Json models = base::Json::array();
    for (auto& [id, entry] : context.board.entries()) models.push_back(std::move(entry));
    return Response::json({{"models", std::move(models)}});
  });
  router.add("GET", "/api/v1/models/{id}",
             [context](Request& request) { return Response::json(context.board.entry(request.part("id"))); });
  router.add("POST", "/api/v1/models", [context](Request& request) { return add(context, request); },
             {.body = Body::kJson});
  route("DELETE", "/api/v1/models/{id}", remove);
  route("PATCH", "/api/v1/models/{id}", change);
  route("POST", "/api/v1/models/{id}/load", load);
  route("POST", "/api/v1/models/{id}/cancel", cancel);
  route("POST", "/api/v1/models/{id}/unload", unload);
  route("POST", "/api/v1/models/unload", unload_all);
}

}  // namespace greenroom::server
