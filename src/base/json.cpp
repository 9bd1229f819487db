#include "base/json.h"

#include <spdlog/fmt/fmt.h>

#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace greenroom::base {

Json parse_json(std::string_view text, const std::string& what, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: the JSON text has {}, more than the {} allowed", what,
                                                  format_bytes(text.size()), format_bytes(limits.max_bytes)));
  }
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (static_cast<std::size_t>(depth) > limits.max_depth) {
      throw Error(ErrorCode::kDataLoss,
                  fmt::format("{}: JSON nested deeper than {}", what, limits.max_depth));
    }
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw Error(ErrorCode::kDataLoss, fmt::format("{}: the key \"{}\" occurs twice in one object", what,
                                                    parsed.get<std::string>()));
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), check);
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: not valid JSON: {}", what, error.what()));
  }
}

}  // namespace greenroom::base
