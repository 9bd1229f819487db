// What routes work with, and the functions that add them: one per file routes_*.cpp.
#pragma once

#include <functional>
#include <string>

#include "app/engine.h"
#include "server/event_stream.h"
#include "server/model_board.h"
#include "server/model_loads.h"
#include "server/model_roots.h"
#include "server/router.h"
#include "server/server_options.h"

namespace greenroom::server {

// All borrowed; outlives the routes.
struct Context {
  app::Engine& engine;
  const ServerOptions& options;
  ModelRoots& roots;
  ModelBoard& board;
  ModelLoads& loads;
  EventStream& events;
  std::function<bool()> is_draining;
};

void add_page_routes(Router& router);
void add_health_routes(Router& router, const Context& context);
void add_status_routes(Router& router, const Context& context);
void add_history_routes(Router& router, const Context& context);
void add_model_routes(Router& router, const Context& context);
void add_browse_routes(Router& router, const Context& context);
void add_plan_routes(Router& router, const Context& context);
void add_task_routes(Router& router, const Context& context);
void add_hold_routes(Router& router, const Context& context);
void add_setting_routes(Router& router, const Context& context);
void add_kserve_routes(Router& router, const Context& context);

// A number of the query, `otherwise` when it is not there. Throws base::Error(kInvalidArgument).
std::int64_t query_number(const Request& request, const std::string& name, std::int64_t low,
                          std::int64_t high, std::int64_t otherwise);

}  // namespace greenroom::server
