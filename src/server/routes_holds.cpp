// Holds of clients: models kept loaded for as long as somebody says that he is still there.
#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "server/context.h"
#include "server/fields.h"
#include "server/wire.h"

namespace greenroom::server {
namespace {

using base::Error;
using base::ErrorCode;

std::uint64_t number_of(const Request& request) {
  return static_cast<std::uint64_t>(
      parse_integer("the hold's number", request.part("n"), 0, std::numeric_limits<std::int64_t>::max()));
}

base::Json hold_json(const Context& context, std::uint64_t id) {
  for (const auto& hold : context.engine.holds().list()) {
    if (hold.id == id) return to_json(hold);
  }
  throw Error(ErrorCode::kNotFound, fmt::format("there is no hold {} (any more)", id));
}

Response take(const Context& context, const Request& request) {
  constexpr int kCreated = 201;
  constexpr double kMostSeconds = 30 * 86'400.0;
  const auto json = request.json();
  Fields fields(json);
  const auto owner = fields.text("owner");
  const auto models = fields.optional_texts("models").value_or(std::vector<std::string>());
  const auto ttl = fields.optional_number("ttl_seconds", 0.001, kMostSeconds);
  fields.finish();
  if (models.empty())
    throw Error(ErrorCode::kInvalidArgument, "the field models is missing; it must be a list of ids");
  for (const auto& id : models) {
    if (!context.engine.registry().find(id)) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("there is no model '{}': register it with POST /api/v1/models", id));
    }
  }
  std::optional<std::chrono::nanoseconds> lifetime;
  if (ttl)
    lifetime = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(*ttl));
  const auto id = context.engine.take_hold(owner, models, lifetime);
  context.events.note_change();
  return Response::json(hold_json(context, id), kCreated);
}

}  // namespace

void add_hold_routes(Router& router, const Context& context) {
  router.add("GET", "/api/v1/holds", [context](Request&) {
    base::Json holds = base::Json::array();
    for (const auto& hold : context.engine.holds().list()) holds.push_back(to_json(hold));
    return Response::json({{"holds", std::move(holds)}});
  });
  router.add("POST", "/api/v1/holds", [context](Request& request) { return take(context, request); },
             {.body = Body::kJson});
  router.add("POST", "/api/v1/holds/{n}/heartbeat",
             [context](Request& request) {
               context.engine.holds().heartbeat(number_of(request));
               return Response::json(hold_json(context, number_of(request)));
             },
             {.body = Body::kJson});
  router.add("DELETE", "/api/v1/holds/{n}", [context](Request& request) {
    context.engine.holds().release(number_of(request));
    context.events.note_change();
    return Response::nothing();
  });
}

}  // namespace greenroom::server
