#include "server/device_json.h"

#include <optional>
#include <string>
#include <utility>

namespace greenroom::server {
namespace {

template <typename Value>
void put(base::Json& json, const char* name, const std::optional<Value>& value) {
  if (value) json[name] = *value;
}

template <typename Value>
std::optional<Value> get(const base::Json& json, const char* name) {
  if (!json.is_object() || !json.contains(name)) return std::nullopt;
  try {
    return json[name].get<Value>();
  } catch (const base::Json::exception&) {
    return std::nullopt;
  }
}

base::Json part(const base::Json& json, const char* name) {
  return json.is_object() && json.contains(name) ? json[name] : base::Json();
}

devices::Telemetry telemetry_from(const base::Json& json) {
  devices::Telemetry telemetry;
  telemetry.utilisation_percent = get<int>(json, "utilisation_percent");
  telemetry.memory_utilisation_percent = get<int>(json, "memory_utilisation_percent");
  telemetry.temperature_celsius = get<int>(json, "temperature_celsius");
  telemetry.memory_temperature_celsius = get<int>(json, "memory_temperature_celsius");
  telemetry.thermal_headroom_celsius = get<int>(json, "thermal_headroom_celsius");
  telemetry.fan_percent = get<int>(json, "fan_percent");
  telemetry.power_watts = get<double>(json, "power_watts");
  telemetry.power_limit_watts = get<double>(json, "power_limit_watts");
  telemetry.clock_mhz = get<int>(json, "clock_mhz");
  telemetry.memory_clock_mhz = get<int>(json, "memory_clock_mhz");
  telemetry.pcie_generation = get<int>(json, "pcie_generation");
  telemetry.pcie_lanes = get<int>(json, "pcie_lanes");
  const auto sent = get<std::uint64_t>(json, "pcie_sent_bytes_per_second");
  const auto received = get<std::uint64_t>(json, "pcie_received_bytes_per_second");
  if (sent && received) telemetry.pcie_throughput = devices::PcieThroughput{*sent, *received};
  telemetry.xid_errors = get<std::uint64_t>(json, "xid_errors");
  telemetry.last_xid = get<int>(json, "last_xid");
  telemetry.cores = get<double>(json, "cores");
  return telemetry;
}

}  // namespace

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
  if (telemetry.pcie_throughput) {
    json["pcie_sent_bytes_per_second"] = telemetry.pcie_throughput->sent_bytes_per_second;
    json["pcie_received_bytes_per_second"] = telemetry.pcie_throughput->received_bytes_per_second;
  }
  put(json, "xid_errors", telemetry.xid_errors);
  put(json, "last_xid", telemetry.last_xid);
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
    put(json, "utilisation_percent", process.utilisation_percent);
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

monitor::Reading reading_from(const base::Json& json) {
  monitor::Reading reading;
  reading.device =
      base::parse_device_id(get<std::string>(json, "id").value_or("")).value_or(base::DeviceId());
  reading.name = get<std::string>(json, "name").value_or("");
  reading.uuid = get<std::string>(json, "uuid").value_or("");
  reading.problem = get<std::string>(json, "problem").value_or("");
  const base::Json memory = part(json, "memory");
  const auto total = get<std::uint64_t>(memory, "total");
  const auto free = get<std::uint64_t>(memory, "free");
  if (total && free && *total > 0) {
    reading.memory = devices::DeviceMemory{*total, *free, get<std::uint64_t>(memory, "reserved").value_or(0),
                                           get<bool>(memory, "shared_with_host").value_or(false),
                                           get<std::uint64_t>(memory, "gpu_used")};
  }
  reading.telemetry = telemetry_from(part(json, "telemetry"));
  for (const auto& process : part(json, "processes")) {
    reading.processes.push_back(
        {get<std::uint64_t>(process, "pid").value_or(0), get<std::string>(process, "name").value_or(""),
         get<std::uint64_t>(process, "bytes"), get<bool>(process, "ours").value_or(false),
         get<int>(process, "utilisation_percent")});
  }
  return reading;
}

}  // namespace greenroom::server
