#include "server/wire.h"

#include "server/device_json.h"

namespace greenroom::server {
namespace {

base::Json to_json(const core::ComponentInfo& component) {
  return {{"kind", component.kind},
          {"file", component.file.string()},
          {"variant", component.variant},
          {"bytes", component.bytes},
          {"state", core::component_state_name(component.state)},
          {"models", component.holders},
          {"leases", component.leases}};
}

base::Json to_json(const app::DeviceStatus& device) {
  base::Json components = base::Json::array();
  for (const auto& component : device.components) components.push_back(to_json(component));
  const auto& ledger = device.ledger;
  base::Json json = {{"id", base::to_string(device.id)},
                     {"name", device.name},
                     {"uuid", device.uuid},
                     {"memory", server::to_json(device.memory)},
                     {"telemetry", server::to_json(device.telemetry)},
                     {"processes", server::to_json(device.processes)},
                     {"ledger",
                      {{"capacity", ledger.capacity},
                       {"reserved", ledger.reserved},
                       {"resident", ledger.resident},
                       {"workspace", ledger.workspace},
                       {"free", ledger.free()}}},
                     {"components", components}};
  if (!device.problem.empty()) json["problem"] = device.problem;
  return json;
}

base::Json to_json(const core::ModelInfo& model) {
  base::Json json = {{"id", model.id},
                     {"type", model.type},
                     {"device", base::to_string(model.device)},
                     {"status", core::model_status_name(model.status)},
                     {"holds", model.holds},
                     {"leases", model.leases},
                     {"waiting", model.waiting},
                     {"bytes", model.bytes}};
  if (!model.error.empty()) json["error"] = model.error;
  return json;
}

}  // namespace

base::Json to_json(const app::Status& status, const std::string& version) {
  base::Json devices = base::Json::array();
  for (const auto& device : status.devices) devices.push_back(to_json(device));
  base::Json models = base::Json::array();
  for (const auto& model : status.models) models.push_back(to_json(model));
  return {{"version", version},
          {"uptime_seconds", status.uptime_seconds},
          {"devices", devices},
          {"models", models},
          {"state_problems", status.state_problems}};
}

}  // namespace greenroom::server
