// `greenroom why`: what the daemon decided about room for a model, and why.
#pragma once

#include <string>

#include "base/json.h"
#include "server/http_client.h"

namespace greenroom::cli {

// `about`: a model, or a part of a name or purpose; empty: the latest decisions about anything. The latest
// first, at most `most` of each kind. {"model" (when it is registered), "events", "decisions"}. Throws
// base::Error as ApiClient does.
base::Json ask_why(server::ApiClient& api, const std::string& about, int most);

// The same as text.
std::string why_text(const base::Json& answer, const std::string& about);

}  // namespace greenroom::cli
