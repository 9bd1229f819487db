// Domain values as JSON. Nothing else knows the field names.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "app/engine.h"
#include "base/json.h"

namespace greenroom::server {

std::int64_t to_ms(std::chrono::system_clock::time_point time);  // since 1970, UTC

// The devices and what the manager knows of them. `components`: with what is on them.
base::Json to_json(const app::DeviceStatus& device, bool components = true);
base::Json to_json(const core::ComponentInfo& component);
base::Json to_json(const app::Status& status, const std::string& version);
base::Json to_json(const core::HostMemory& memory);
base::Json to_json(const core::Plan& plan);
base::Json to_json(const core::DecisionRecord& record);
base::Json to_json(const app::HistoryEntry& entry);
base::Json to_json(const core::Event& event);  // with total_bytes; no id
base::Json to_json(const core::TaskStatus& task);
base::Json to_json(const core::Preloaded& preloaded);
base::Json to_json(const core::HoldInfo& hold);
// {"time_ms", "type", "rule", "device", "message", "value", "threshold"}
base::Json alert_json(const monitor::MemoryAlert& alert);

// A task profile as a client writes it; `name` is from the path. Throws base::Error(kInvalidArgument).
core::TaskProfile task_from(const base::Json& json, const std::string& name);

}  // namespace greenroom::server
