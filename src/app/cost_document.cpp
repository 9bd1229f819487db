#include "app/cost_document.h"

#include "base/error.h"
#include "base/json.h"

namespace greenroom::app {

using base::Json;

std::string to_document(const std::vector<core::LearntLoad>& loads) {
  Json json = Json::array();
  for (const auto& load : loads) {
    json.push_back({{"kind", load.kind},
                    {"variant", load.variant},
                    {"file", load.file},
                    {"file_bytes", load.file_bytes},
                    {"modified_ns", load.modified_ns},
                    {"uses", load.uses},
                    {"disk_seconds", load.disk_seconds},
                    {"host_seconds", load.host_seconds}});
  }
  // A path need not be UTF-8; such a byte becomes a replacement character instead of an exception.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<core::LearntLoad> learnt_loads_from(const std::string& document) {
  const std::string what = "the kept costs of loads";
  const auto json = base::parse_json(document, what);
  try {
    std::vector<core::LearntLoad> loads;
    for (const auto& load : json) {
      loads.push_back({.kind = load.at("kind").get<std::string>(),
                       .variant = load.at("variant").get<std::string>(),
                       .file = load.at("file").get<std::string>(),
                       .file_bytes = load.at("file_bytes").get<std::uint64_t>(),
                       .modified_ns = load.at("modified_ns").get<std::int64_t>(),
                       .uses = load.at("uses").get<double>(),
                       .disk_seconds = load.at("disk_seconds").get<double>(),
                       .host_seconds = load.at("host_seconds").get<double>()});
    }
    return loads;
  } catch (const Json::exception& error) {
    throw base::Error(base::ErrorCode::kDataLoss, what + ": " + error.what());
  }
}

std::string to_document(const std::vector<core::LearntWorkspace>& workspace) {
  Json json = Json::array();
  for (const auto& kind : workspace) {
    Json samples = Json::array();
    for (const auto& sample : kind.samples) {
      samples.push_back({{"audio_seconds", sample.features.audio_seconds},
                         {"reference_seconds", sample.features.reference_seconds},
                         {"text_tokens", sample.features.text_tokens},
                         {"steps", sample.features.steps},
                         {"beams", sample.features.beams},
                         {"peak_bytes", sample.peak_bytes}});
    }
    json.push_back({{"kind", kind.kind}, {"samples", std::move(samples)}});
  }
  return json.dump();
}

std::vector<core::LearntWorkspace> learnt_workspace_from(const std::string& document) {
  const std::string what = "the kept figures of workspace";
  const auto json = base::parse_json(document, what);
  try {
    std::vector<core::LearntWorkspace> workspace;
    for (const auto& kind : json) {
      core::LearntWorkspace learnt{kind.at("kind").get<std::string>(), {}};
      for (const auto& sample : kind.at("samples")) {
        const core::RunFeatures features{.audio_seconds = sample.at("audio_seconds").get<double>(),
                                         .reference_seconds = sample.at("reference_seconds").get<double>(),
                                         .text_tokens = sample.at("text_tokens").get<double>(),
                                         .steps = sample.at("steps").get<double>(),
                                         .beams = sample.at("beams").get<double>()};
        learnt.samples.push_back({features, sample.at("peak_bytes").get<std::uint64_t>()});
      }
      workspace.push_back(std::move(learnt));
    }
    return workspace;
  } catch (const Json::exception& error) {
    throw base::Error(base::ErrorCode::kDataLoss, what + ": " + error.what());
  }
}

}  // namespace greenroom::app
