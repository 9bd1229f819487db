// What was: memory over time, alerts, events, decisions; and events as they come.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>

#include "base/error.h"
#include "server/context.h"
#include "server/fields.h"
#include "server/thinning.h"
#include "server/wire.h"

namespace greenroom::server {
namespace {

constexpr std::int64_t kMinutesOfADay = 1440;
constexpr std::int64_t kMsOfAMinute = 60'000;
constexpr std::int64_t kMostPoints = 10'000;
constexpr std::int64_t kMostEntries = 10'000;

base::Json events_since(app::Engine& engine, std::int64_t since_ms) {
  constexpr std::size_t kMost = 500;
  base::Json events = base::Json::array();
  for (const auto& entry : engine.history().query({.limit = kMost, .newest = true})) {
    if (entry.time_ms >= since_ms) events.push_back(to_json(entry));
  }
  return events;
}

Response memory_history(const Context& context, const Request& request) {
  const auto minutes = query_number(request, "minutes", 1, kMinutesOfADay, 10);
  const auto points = query_number(request, "points", 2, kMostPoints, 600);
  const auto bucket_ms = std::max<std::int64_t>(1, minutes * kMsOfAMinute / points);
  auto& monitoring = context.engine.monitoring();
  const auto history = monitoring.monitor().get_memory_history(static_cast<int>(minutes));
  constexpr double kMilliseconds = 1000;
  const double interval =
      std::max({monitoring.settings().interval_seconds, static_cast<double>(bucket_ms) / kMilliseconds,
                minutes > 10 ? 60.0 : 0.0});
  const auto since = to_ms(std::chrono::system_clock::now()) - minutes * kMsOfAMinute;
  return Response::json({{"interval_seconds", interval},
                         {"series", series_json(history, bucket_ms)},
                         {"events", events_since(context.engine, since)}});
}

Response alerts(const Context& context, const Request& request) {
  const auto minutes = query_number(request, "minutes", 1, kMinutesOfADay, kMinutesOfADay);
  auto& monitor = context.engine.monitoring().monitor();
  base::Json firing = base::Json::array();
  for (const auto& [key, level] : monitor.firing()) {
    firing.push_back({{"device", key.first},
                      {"rule", key.second},
                      {"level", level == monitor::AlertLevel::kCritical ? "critical" : "warning"}});
  }
  base::Json recent = base::Json::array();
  for (const auto& alert : monitor.get_recent_alerts(static_cast<int>(minutes)))
    recent.push_back(alert_json(alert));
  return Response::json({{"firing", std::move(firing)}, {"recent", std::move(recent)}});
}

Response history(const Context& context, const Request& request) {
  app::HistoryFilter filter;
  filter.model_id = request.query.find("model_id");
  filter.type = request.query.find("type");
  filter.since_id = query_number(request, "since_id", 0, std::numeric_limits<std::int64_t>::max(), 0);
  filter.limit = static_cast<std::size_t>(query_number(request, "limit", 1, kMostEntries, 1000));
  filter.newest = parse_flag("newest", request.query.find("newest").value_or("false"));
  base::Json events = base::Json::array();
  for (const auto& entry : context.engine.history().query(filter)) events.push_back(to_json(entry));
  return Response::json({{"events", std::move(events)}});
}

Response decisions(const Context& context, const Request& request) {
  const auto limit = static_cast<std::size_t>(query_number(request, "limit", 1, kMostEntries, 100));
  base::Json list = base::Json::array();
  for (const auto& record : context.engine.decisions(request.query.find("about").value_or(""), limit)) {
    auto json = to_json(record);
    json["explanations"] = base::Json::array();
    for (const auto& candidate : record.candidates) {
      if (candidate.evicted) json["explanations"].push_back(core::explain(record, candidate.component));
    }
    list.push_back(std::move(json));
  }
  return Response::json({{"decisions", std::move(list)}});
}

Response events(const Context& context, const Request& request) {
  std::optional<std::uint64_t> last_id;
  auto text = request.headers.find("Last-Event-ID");
  if (!text) text = request.query.find("last_event_id");
  if (text && !text->empty()) {
    last_id = static_cast<std::uint64_t>(
        parse_integer("Last-Event-ID", *text, 0, std::numeric_limits<std::int64_t>::max()));
  }
  return Response::streamed("text/event-stream",
                            [context, last_id](BodyWriter& writer) { context.events.serve(writer, last_id); })
      .with("Cache-Control", "no-store")
      .with("X-Accel-Buffering", "no");
}

}  // namespace

std::int64_t query_number(const Request& request, const std::string& name, std::int64_t low,
                          std::int64_t high, std::int64_t otherwise) {
  const auto text = request.query.find(name);
  return text ? parse_integer(name, *text, low, high) : otherwise;
}

void add_history_routes(Router& router, const Context& context) {
  const auto get = [&](const char* path, Response (*answer)(const Context&, const Request&)) {
    router.add("GET", path, [context, answer](Request& request) { return answer(context, request); });
  };
  get("/api/v1/memory/history", memory_history);
  get("/api/v1/alerts", alerts);
  get("/api/v1/history", history);
  get("/api/v1/decisions", decisions);
  get("/api/v1/events", events);
}

}  // namespace greenroom::server
