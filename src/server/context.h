// What routes work with, and the functions that add them: one per file routes_*.cpp.
#pragma once

#include <functional>

#include "app/engine.h"
#include "server/router.h"
#include "server/server_options.h"

namespace greenroom::server {

// All borrowed; outlives the routes.
struct Context {
  app::Engine& engine;
  const ServerOptions& options;
  std::function<bool()> is_draining;
};

void add_page_routes(Router& router);
void add_health_routes(Router& router, const Context& context);
void add_status_routes(Router& router, const Context& context);

}  // namespace greenroom::server
