// Is it alive, does it take work, its figures, and what can be asked.
#include "server/context.h"
#include "server/openapi.h"

namespace greenroom::server {
namespace {

constexpr int kUnavailable = 503;
constexpr const char* kText = "text/plain; charset=utf-8";

}  // namespace

void add_health_routes(Router& router, const Context& context) {
  router.add("GET", "/healthz", [](Request&) { return Response::text("ok\n", kText); }, {.needs_key = false});
  router.add("GET", "/readyz",
             [context](Request&) {
               return context.is_draining() ? Response::text("shutting down\n", kText, kUnavailable)
                                            : Response::text("ready\n", kText);
             },
             {.needs_key = false});
  router.add("GET", "/openapi.json",
             [](Request&) { return Response::text(std::string(openapi_json()), "application/json"); },
             {.needs_key = false});
  router.add("GET", "/metrics", [context](Request&) {
    return Response::text(context.engine.metrics().render(), "text/plain; version=0.0.4; charset=utf-8");
  });
}

}  // namespace greenroom::server
