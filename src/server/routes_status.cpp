// The machine as it is now.
#include <algorithm>

#include "server/context.h"
#include "server/wire.h"

namespace greenroom::server {
namespace {

base::Json queues_of(const Context& context) {
  base::Json queues = base::Json::array();
  const auto& settings = context.engine.config().queue;
  for (const auto& [device, stats] : context.engine.requests().stats()) {
    queues.push_back({{"device", base::to_string(device)},
                      {"waiting", stats.waiting},
                      {"running", stats.running},
                      {"limit", settings.capacity},
                      {"concurrency", settings.concurrency},
                      {"oldest_wait_seconds", stats.oldest_wait_seconds},
                      {"begun", stats.begun},
                      {"refused", stats.refused}});
  }
  return queues;
}

base::Json workers_of(const Context& context) {
  base::Json workers = base::Json::array();
  for (const auto& worker : context.engine.workers()) {
    workers.push_back({{"device", base::to_string(worker.device)},
                       {"pid", worker.pid},
                       {"components", worker.held},
                       {"deaths", worker.deaths},
                       {"last_death", worker.last_death}});
  }
  return workers;
}

base::Json status_of(const Context& context) {
  const auto status = context.engine.status();
  base::Json json = to_json(status, context.options.version);
  json["models"] = base::Json::array();
  for (auto& [id, entry] : context.board.entries()) json["models"].push_back(std::move(entry));
  constexpr double kMilliseconds = 1000;
  json["started_ms"] = to_ms(std::chrono::system_clock::now()) -
                       static_cast<std::int64_t>(status.uptime_seconds * kMilliseconds);
  json["queue"] = queues_of(context);
  json["workers"] = workers_of(context);
  json["monitoring"] = {{"enabled", context.engine.monitoring().monitor().is_monitoring()},
                        {"interval_seconds", context.engine.monitoring().settings().interval_seconds}};
  json["host_cache"] = to_json(context.engine.host_memory());
  return json;
}

base::Json devices_of(const Context& context) {
  base::Json devices = base::Json::array();
  for (const auto& device : context.engine.status().devices) devices.push_back(to_json(device));
  return {{"devices", std::move(devices)}};
}

}  // namespace

void add_status_routes(Router& router, const Context& context) {
  router.add("GET", "/api/v1/status", [context](Request&) { return Response::json(status_of(context)); });
  router.add("GET", "/api/v1/gpus", [context](Request&) { return Response::json(devices_of(context)); });
  router.add("POST", "/api/v1/memory/optimize",
             [context](Request&) {
               const auto freed = context.engine.free_idle();
               context.events.note_change();
               return Response::json({{"freed_bytes", freed}});
             },
             {.body = Body::kJson});
}

}  // namespace greenroom::server
