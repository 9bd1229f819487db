#include <spdlog/fmt/fmt.h>

#include "base/bytes.h"
#include "base/json.h"
#include "cli/commands.h"
#include "devices/discover.h"

namespace greenroom::cli {

int run_gpu(bool json) {
  const auto discovery = devices::discover();
  base::Json list = base::Json::array();
  for (const auto& device : discovery.devices) {
    const auto memory = device->memory();
    const auto telemetry = device->telemetry();
    base::Json entry = {
        {"id", base::to_string(device->id())},
        {"name", device->name()},
        {"memory", {{"total", memory.total}, {"free", memory.free}, {"used", memory.used()}}}};
    if (telemetry.utilisation_percent) entry["utilisation_percent"] = *telemetry.utilisation_percent;
    if (telemetry.temperature_celsius) entry["temperature_celsius"] = *telemetry.temperature_celsius;
    list.push_back(entry);
    if (json) continue;
    fmt::print("{:<8} {}\n         memory: {} free of {}", base::to_string(device->id()), device->name(),
               base::format_bytes(memory.free), base::format_bytes(memory.total));
    if (telemetry.utilisation_percent) fmt::print(", {} % busy", *telemetry.utilisation_percent);
    if (telemetry.temperature_celsius) fmt::print(", {} °C", *telemetry.temperature_celsius);
    fmt::print("\n");
  }
  if (json) {
    const base::Json report = {{"devices", list},
                               {"driver_version", discovery.driver_version},
                               {"no_gpu_reason", discovery.no_gpu_reason}};
    fmt::print("{}\n", report.dump(2, ' ', false, base::Json::error_handler_t::replace));
  } else if (!discovery.no_gpu_reason.empty()) {
    fmt::print("no GPU: {}\n", discovery.no_gpu_reason);
  }
  return 0;
}

}  // namespace greenroom::cli
