// The description of the API in OpenAPI 3.1: openapi.json beside this file.
#pragma once

#include <string_view>

namespace greenroom::server {

std::string_view openapi_json();

}  // namespace greenroom::server
