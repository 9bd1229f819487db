// Tells alerts to another program: a POST of JSON.
#pragma once

#include <string>

#include "base/json.h"
#include "monitor/alerts.h"

namespace greenroom::server {

// {"source": "greenroom", "type", "rule", "device", "message", "value", "threshold", "time" (UTC, ISO 8601)}.
base::Json to_json(const monitor::MemoryAlert& alert);

// Waits for the answer, five seconds at most for each step; follows no redirect. Throws base::Error:
// kUnavailable when there is no answer or not one of success, kInvalidArgument when `url` is not
// http://HOST[:PORT][/PATH] (or https).
void post_alert(const std::string& url, const monitor::MemoryAlert& alert);

}  // namespace greenroom::server
