// The machine as it is now.
#include "server/context.h"
#include "server/wire.h"

namespace greenroom::server {

void add_status_routes(Router& router, const Context& context) {
  router.add("GET", "/api/v1/status", [context](Request&) {
    return Response::json(to_json(context.engine.status(), context.options.version));
  });
}

}  // namespace greenroom::server
