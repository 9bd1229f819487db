// What something would take, before it is done.
#include <spdlog/fmt/fmt.h>

#include <limits>

#include "app/estimate.h"
#include "base/error.h"
#include "server/context.h"
#include "server/fields.h"
#include "server/wire.h"

namespace greenroom::server {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

constexpr double kSecondsOfADay = 86'400;

std::vector<fs::path> paths_of(const Context& context, Fields& fields) {
  auto names = fields.optional_texts("paths").value_or(std::vector<std::string>());
  if (const auto path = fields.optional_text("path")) names.push_back(*path);
  if (names.empty()) throw Error(ErrorCode::kInvalidArgument, "the field path is missing; it must be a text");
  std::vector<fs::path> paths;
  for (const auto& name : names) {
    const auto registered = context.engine.registry().find(name);
    paths.push_back(registered ? registered->path : context.roots.check(name));
  }
  return paths;
}

Response estimate(const Context& context, const Request& request) {
  const auto json = request.json();
  Fields fields(json);
  const auto paths = paths_of(context, fields);
  const auto name = fields.optional_text("dtype").value_or("float32");
  fields.optional_text("device");
  fields.finish();
  const auto dtype = checkpoint::parse_dtype(name);
  if (!dtype || !checkpoint::is_floating(*dtype)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("the field dtype is \"{}\"; it must be float32, float16, bfloat16 or float64", name));
  }
  return Response::json(app::to_json(app::estimate(context.engine.config(), paths, *dtype)));
}

Response plan(const Context& context, const Request& request) {
  constexpr std::int64_t kMostCharacters = 1'000'000;
  const auto json = request.json();
  Fields fields(json);
  app::PlanQuestion question;
  std::string device = fields.optional_text("device").value_or("");
  for (const auto& name : fields.optional_texts("load").value_or(std::vector<std::string>())) {
    const auto registered = context.engine.registry().find(name);
    question.load.push_back(registered ? name : context.roots.check(name).string());
    if (registered && device.empty() && registered->device != "auto") device = registered->device;
  }
  question.task = fields.optional_text("task").value_or("");
  question.convert_seconds = fields.optional_number("convert_seconds", 0, kSecondsOfADay);
  if (const auto characters = fields.optional_integer("speak_characters", 0, kMostCharacters)) {
    question.speak_characters = static_cast<std::size_t>(*characters);
  }
  fields.finish();
  question.device = device.empty() ? context.engine.config().device : device;
  return Response::json(to_json(context.engine.plan(question)));
}

}  // namespace

void add_plan_routes(Router& router, const Context& context) {
  router.add("POST", "/api/v1/estimate", [context](Request& request) { return estimate(context, request); },
             {.body = Body::kJson});
  router.add("POST", "/api/v1/plan", [context](Request& request) { return plan(context, request); },
             {.body = Body::kJson});
}

}  // namespace greenroom::server
