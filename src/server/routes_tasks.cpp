// Task profiles: what a kind of work needs, loaded together and let go together.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/error.h"
#include "server/context.h"
#include "server/wire.h"

namespace greenroom::server {
namespace {

base::Json task_json(const Context& context, const std::string& name) {
  for (const auto& task : context.engine.tasks().list()) {
    if (task.profile.task_name == name) return to_json(task);
  }
  throw base::Error(base::ErrorCode::kNotFound, fmt::format("there is no task '{}'", name));
}

Response put(const Context& context, const Request& request) {
  constexpr int kCreated = 201;
  const std::string name = request.part("name");
  auto profile = task_from(request.json(), name);
  for (auto* models : {&profile.required_models, &profile.optional_models}) {
    for (auto& model : *models) model.model_path = context.roots.check(model.model_path);
  }
  const auto known = context.engine.tasks().list();
  const bool is_new = std::none_of(known.begin(), known.end(),
                                   [&](const auto& task) { return task.profile.task_name == name; });
  context.engine.register_task(profile);
  auto json = task_json(context, name);
  context.events.publish("task", json);
  return Response::json(json, is_new ? kCreated : 200);
}

Response remove(const Context& context, const Request& request) {
  const std::string name = request.part("name");
  if (!context.engine.remove_task(name)) {
    throw base::Error(base::ErrorCode::kNotFound, fmt::format("there is no task '{}'", name));
  }
  context.events.publish("task", {{"task_name", name}, {"removed", true}});
  context.events.note_change();
  return Response::nothing();
}

Response preload(const Context& context, const Request& request) {
  const auto preloaded = context.engine.tasks().preload_for_task(request.part("name"));
  context.events.note_change();
  return Response::json(to_json(preloaded));
}

Response clean_up(const Context& context, const Request& request) {
  const auto released = context.engine.tasks().cleanup_for_task(request.part("name"));
  context.events.note_change();
  return Response::json({{"released", released}});
}

}  // namespace

void add_task_routes(Router& router, const Context& context) {
  const auto route = [&](const char* method, const char* path,
                         Response (*act)(const Context&, const Request&)) {
    router.add(method, path, [context, act](Request& request) { return act(context, request); },
               {.body = Body::kJson});
  };
  router.add("GET", "/api/v1/tasks", [context](Request&) {
    base::Json tasks = base::Json::array();
    for (const auto& task : context.engine.tasks().list()) tasks.push_back(to_json(task));
    return Response::json({{"tasks", std::move(tasks)}});
  });
  router.add("GET", "/api/v1/tasks/{name}", [context](Request& request) {
    return Response::json(task_json(context, request.part("name")));
  });
  route("PUT", "/api/v1/tasks/{name}", put);
  route("DELETE", "/api/v1/tasks/{name}", remove);
  route("POST", "/api/v1/tasks/{name}/preload", preload);
  route("POST", "/api/v1/tasks/{name}/cleanup", clean_up);
}

}  // namespace greenroom::server
