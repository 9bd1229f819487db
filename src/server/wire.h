// Domain values as JSON. Nothing else knows the field names.
#pragma once

#include <string>

#include "app/engine.h"
#include "base/json.h"

namespace greenroom::server {

base::Json to_json(const app::Status& status, const std::string& version);

}  // namespace greenroom::server
