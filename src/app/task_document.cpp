#include "app/task_document.h"

#include "base/error.h"
#include "base/json.h"

namespace greenroom::app {
namespace {

using base::Json;
using core::PreloadConfig;

Json to_json(const std::vector<PreloadConfig>& models) {
  Json json = Json::array();
  for (const auto& model : models) {
    json.push_back({{"model_type", model.model_type},
                    {"model_path", model.model_path.string()},
                    {"device", model.device},
                    {"priority", model.priority}});
  }
  return json;
}

std::vector<PreloadConfig> models_from(const Json& json) {
  std::vector<PreloadConfig> models;
  for (const auto& model : json) {
    models.push_back({.model_type = model.at("model_type").get<std::string>(),
                      .model_path = model.at("model_path").get<std::string>(),
                      .device = model.at("device").get<std::string>(),
                      .priority = model.at("priority").get<int>()});
  }
  return models;
}

}  // namespace

std::string to_document(const core::TaskProfile& profile) {
  // A path need not be UTF-8; such a byte becomes a replacement character instead of an exception.
  return Json{{"task_name", profile.task_name},
              {"required_models", to_json(profile.required_models)},
              {"optional_models", to_json(profile.optional_models)},
              {"memory_limit_mb", profile.memory_limit_mb},
              {"auto_cleanup", profile.auto_cleanup}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

core::TaskProfile task_profile_from(const std::string& document, const std::string& name) {
  const std::string what = "the kept task profile '" + name + "'";
  const auto json = base::parse_json(document, what);
  try {
    return {.task_name = json.at("task_name").get<std::string>(),
            .required_models = models_from(json.at("required_models")),
            .optional_models = models_from(json.at("optional_models")),
            .memory_limit_mb = json.at("memory_limit_mb").get<std::uint64_t>(),
            .auto_cleanup = json.at("auto_cleanup").get<bool>()};
  } catch (const Json::exception& error) {
    throw base::Error(base::ErrorCode::kDataLoss, what + ": " + error.what());
  }
}

}  // namespace greenroom::app
