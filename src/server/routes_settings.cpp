// Settings: reading them, and changing them for good.
#include "app/settings.h"
#include "server/context.h"

namespace greenroom::server {
namespace {

base::Json to_json(const app::SettingState& state) {
  const app::Setting& setting = *state.setting;
  base::Json json = {{"name", setting.name},
                     {"value", state.value},
                     {"default", state.standard},
                     {"kept", state.kept},
                     {"type", app::setting_type_name(setting.type)}};
  if (setting.type == app::Setting::Type::kNumber || setting.type == app::Setting::Type::kWholeNumber) {
    json["min"] = setting.low;
    json["max"] = setting.high;
  }
  if (!setting.choices.empty()) json["choices"] = setting.choices;
  if (!setting.unit.empty()) json["unit"] = setting.unit;
  json["description"] = setting.description;
  json["live"] = setting.live;
  return json;
}

base::Json settings_json(const Context& context) {
  base::Json list = base::Json::array();
  for (const auto& state : context.engine.settings()) list.push_back(to_json(state));
  return {{"settings", std::move(list)}};
}

Response change(const Context& context, const Request& request) {
  app::SettingChanges changes;
  const auto json = request.json();
  for (const auto& [name, value] : json.items()) changes[name] = value;
  context.engine.change_settings(changes);
  auto settings = settings_json(context);
  context.events.publish("settings", settings);
  return Response::json(settings);
}

}  // namespace

void add_setting_routes(Router& router, const Context& context) {
  router.add("GET", "/api/v1/settings",
             [context](Request&) { return Response::json(settings_json(context)); });
  router.add("PATCH", "/api/v1/settings", [context](Request& request) { return change(context, request); },
             {.body = Body::kJson});
}

}  // namespace greenroom::server
