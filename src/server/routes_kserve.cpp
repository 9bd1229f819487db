// The V2 protocol of KServe and Triton, as far as it is about health and the repository of models.
#include <spdlog/fmt/fmt.h>

#include "base/error.h"
#include "server/context.h"

namespace greenroom::server {
namespace {

constexpr int kUnavailable = 503;
constexpr const char* kVersion = "1";  // models have no versions here

RouteOptions reads() {
  return {.errors = kserve_error};
}
RouteOptions writes() {
  return {.body = Body::kJson, .errors = kserve_error};
}

// Triton's words.
const char* state_of(const std::string& status) {
  if (status == "loaded") return "READY";
  if (status == "loading") return "LOADING";
  if (status == "unloading") return "UNLOADING";
  return "UNAVAILABLE";
}

Response index(const Context& context, const Request& request) {
  const auto wish = request.json();
  const bool only_ready = wish.contains("ready") && wish["ready"] == true;
  base::Json list = base::Json::array();
  for (const auto& [id, entry] : context.board.entries()) {
    const std::string state = state_of(entry["status"].get<std::string>());
    if (only_ready && state != "READY") continue;
    list.push_back({{"name", id},
                    {"version", kVersion},
                    {"state", state},
                    {"reason", entry.contains("error") ? entry["error"] : base::Json("")}});
  }
  return Response::json(list);
}

Response model_ready(const Context& context, const Request& request) {
  const auto entry = context.board.entry(request.part("m"));
  const bool ready = entry["status"] == "loaded";
  return Response::json({{"name", request.part("m")}, {"ready", ready}}, ready ? 200 : kUnavailable);
}

Response metadata(const Context& context, const Request& request) {
  const auto entry = context.board.entry(request.part("m"));
  return Response::json({{"name", request.part("m")},
                         {"versions", {kVersion}},
                         {"platform", "greenroom_" + entry["type"].get<std::string>()},
                         {"inputs", base::Json::array()},
                         {"outputs", base::Json::array()}});
}

void add_health(Router& router, const Context& context) {
  RouteOptions open = reads();
  open.needs_key = false;
  router.add(
      "GET", "/v2/health/live",
      [](Request&) {
        return Response::json({{"live", true}});
      },
      open);
  router.add(
      "GET", "/v2/health/ready",
      [context](Request&) {
        const bool ready = !context.is_draining();
        return Response::json({{"ready", ready}}, ready ? 200 : kUnavailable);
      },
      open);
}

}  // namespace

void add_kserve_routes(Router& router, const Context& context) {
  router.set_error_form("/v2", kserve_error);
  add_health(router, context);
  router.add(
      "GET", "/v2",
      [context](Request&) {
        return Response::json({{"name", "greenroom"},
                               {"version", context.options.version},
                               {"extensions", {"model_repository"}}});
      },
      reads());
  for (const char* method : {"GET", "POST"}) {
    auto options = writes();
    options.while_draining = true;
    router.add(
        method, "/v2/repository/index", [context](Request& request) { return index(context, request); },
        options);
  }
  router.add(
      "POST", "/v2/repository/models/{m}/load",
      [context](Request& request) {
        context.loads.load(request.part("m"));
        context.events.note_change();
        return Response::json(base::Json::object());
      },
      writes());
  router.add(
      "POST", "/v2/repository/models/{m}/unload",
      [context](Request& request) {
        context.board.entry(request.part("m"));  // throws when there is none
        context.loads.unload(request.part("m"), false);
        context.events.note_change();
        return Response::json(base::Json::object());
      },
      writes());
  router.add(
      "GET", "/v2/models/{m}/ready", [context](Request& request) { return model_ready(context, request); },
      reads());
  router.add(
      "GET", "/v2/models/{m}", [context](Request& request) { return metadata(context, request); }, reads());
}

}  // namespace greenroom::server
