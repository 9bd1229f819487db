#include "server/wire.h"

#include <optional>
#include <utility>
#include <vector>

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

template <typename Value>
void put(base::Json& json, const char* name, const std::optional<Value>& value) {
  if (value) json[name] = *value;
}

base::Json to_json(const devices::Telemetry& telemetry) {
  base::Json json = base::Json::object();
  put(json, "utilisation_percent", telemetry.utilisation_percent);
  put(json, "memory_utilisation_percent", telemetry.memory_utilisation_percent);
  put(json, "temperature_celsius", telemetry.temperature_celsius);
  put(json, "memory_temperature_celsius", telemetry.memory_temperature_celsius);
  put(json, "thermal_headroom_celsius", telemetry.thermal_headroom_celsius);
  put(json, "fan_percent", telemetry.fan_percent);
  put(json, "power_watts", telemetry.power_watts);
  put(json, "power_limit_watts", telemetry.power_limit_watts);
  put(json, "energy_joules", telemetry.energy_joules);
  put(json, "clock_mhz", telemetry.clock_mhz);
  put(json, "memory_clock_mhz", telemetry.memory_clock_mhz);
  put(json, "pcie_generation", telemetry.pcie_generation);
  put(json, "pcie_lanes", telemetry.pcie_lanes);
  put(json, "ecc_corrected", telemetry.ecc_corrected);
  put(json, "ecc_uncorrected", telemetry.ecc_uncorrected);
  put(json, "cores", telemetry.cores);
  if (telemetry.throttle_reasons) {
    json["throttle_reasons"] = devices::throttle_reason_names(*telemetry.throttle_reasons);
  }
  return json;
}

base::Json to_json(const std::vector<devices::ProcessUse>& processes) {
  base::Json list = base::Json::array();
  for (const auto& process : processes) {
    base::Json json = {{"pid", process.pid}, {"name", process.name}, {"ours", process.ours}};
    put(json, "bytes", process.bytes);
    list.push_back(std::move(json));
  }
  return list;
}

base::Json to_json(const devices::DeviceMemory& memory) {
  base::Json json = {{"total", memory.total}, {"free", memory.free}, {"used", memory.used()}};
  if (memory.reserved > 0) json["reserved"] = memory.reserved;
  if (memory.shared_with_host) json["shared_with_host"] = true;
  put(json, "gpu_used", memory.gpu_used);
  return json;
}

base::Json to_json(const app::DeviceStatus& device) {
  base::Json components = base::Json::array();
  for (const auto& component : device.components) components.push_back(to_json(component));
  const auto& ledger = device.ledger;
  base::Json json = {{"id", base::to_string(device.id)},
                     {"name", device.name},
                     {"uuid", device.uuid},
                     {"memory", to_json(device.memory)},
                     {"telemetry", to_json(device.telemetry)},
                     {"processes", to_json(device.processes)},
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
