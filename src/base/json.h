// The only include of the JSON library, with limits for text that strangers wrote.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace greenroom::base {

using Json = nlohmann::ordered_json;

struct JsonLimits {
  std::size_t max_bytes = 64u << 20;
  std::size_t max_depth = 64;
};

// Throws Error(kDataLoss) naming `what` (a file name, "request body") and the position; also when a key
// occurs twice in one object, when the text is too long, nested too deeply, or followed by anything but white
// space.
Json parse_json(std::string_view text, const std::string& what, const JsonLimits& limits = {});

}  // namespace greenroom::base
