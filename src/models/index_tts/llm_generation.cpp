#include "models/index_tts/llm_generation.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace greenroom::models::index_tts {
namespace {

namespace fs = std::filesystem;

std::optional<base::Json> read_json(const fs::path& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return base::parse_json(text.str(), path.string());
}

[[noreturn]] void refuse(const fs::path& path, const char* key, const char* wanted) {
  throw base::Error(base::ErrorCode::kDataLoss,
                    fmt::format("{}: \"{}\" must be {}", path.string(), key, wanted));
}

double number(const base::Json& json, const fs::path& path, const char* key, double fallback) {
  if (!json.contains(key) || json.at(key).is_null()) return fallback;
  if (!json.at(key).is_number()) refuse(path, key, "a number");
  return json.at(key).get<double>();
}

std::vector<std::int64_t> stop_tokens(const base::Json& json, const fs::path& path) {
  constexpr const char* kKey = "eos_token_id";
  std::vector<std::int64_t> tokens;
  if (!json.contains(kKey) || json.at(kKey).is_null()) return tokens;
  const auto add = [&](const base::Json& value) {
    if (!value.is_number_integer()) refuse(path, kKey, "a token or a list of tokens");
    tokens.push_back(value.get<std::int64_t>());
  };
  if (json.at(kKey).is_array()) {
    for (const auto& value : json.at(kKey)) add(value);
  } else {
    add(json.at(kKey));
  }
  return tokens;
}

}  // namespace

LlmGeneration read_llm_generation(const fs::path& folder) {
  LlmGeneration generation;
  const auto path = folder / "generation_config.json";
  if (const auto json = read_json(path)) {
    if (!json->is_object()) refuse(path, "generation_config.json", "an object");
    if (json->contains("do_sample")) {
      if (!json->at("do_sample").is_boolean()) refuse(path, "do_sample", "true or false");
      generation.do_sample = json->at("do_sample").get<bool>();
    }
    generation.temperature = number(*json, path, "temperature", generation.temperature);
    const double top_k = number(*json, path, "top_k", generation.top_k);
    generation.top_p = number(*json, path, "top_p", generation.top_p);
    if (!(generation.temperature > 0)) refuse(path, "temperature", "above 0");
    if (!(top_k >= 0 && top_k <= 1e6) || top_k != std::floor(top_k))
      refuse(path, "top_k", "a whole number between 0 and 1000000");
    if (!(generation.top_p > 0 && generation.top_p <= 1)) refuse(path, "top_p", "above 0 and at most 1");
    generation.top_k = static_cast<int>(top_k);
    generation.stop_tokens = stop_tokens(*json, path);
  }
  if (generation.stop_tokens.empty()) {
    const auto config = folder / "config.json";
    if (const auto json = read_json(config); json && json->is_object())
      generation.stop_tokens = stop_tokens(*json, config);
  }
  return generation;
}

}  // namespace greenroom::models::index_tts
