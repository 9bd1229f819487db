// What devices say as JSON, the same over HTTP and on the command line; and back.
#pragma once

#include <vector>

#include "base/json.h"
#include "monitor/sample.h"

namespace greenroom::server {

// Readings that are absent are left out.
base::Json to_json(const devices::Telemetry& telemetry);
base::Json to_json(const std::vector<devices::ProcessUse>& processes);
base::Json to_json(const devices::DeviceMemory& memory);

// An entry of "devices" as the status has it. What is missing or of another type is absent.
monitor::Reading reading_from(const base::Json& json);

}  // namespace greenroom::server
