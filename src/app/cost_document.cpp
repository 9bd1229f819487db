#include "app/cost_document.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

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

namespace {

using LoadKey = std::tuple<std::string, std::string, std::string, std::uint64_t, std::int64_t>;

LoadKey key_of(const core::LearntLoad& load) {
  return {load.kind, load.variant, load.file, load.file_bytes, load.modified_ns};
}

std::map<LoadKey, core::LearntLoad> by_key(const std::vector<core::LearntLoad>& loads) {
  std::map<LoadKey, core::LearntLoad> result;
  for (const auto& load : loads) result.insert_or_assign(key_of(load), load);
  return result;
}

std::map<std::string, std::vector<core::WorkspaceSample>> by_kind(
    const std::vector<core::LearntWorkspace>& workspace) {
  std::map<std::string, std::vector<core::WorkspaceSample>> result;
  for (const auto& kind : workspace) result[kind.kind] = kind.samples;
  return result;
}

// What cannot be read is worth nothing to anybody.
template <typename Learnt>
Learnt read_or_nothing(const std::optional<std::string>& document, Learnt (*read)(const std::string&)) {
  try {
    return document ? read(*document) : Learnt();
  } catch (const base::Error&) {
    return {};
  }
}

}  // namespace

std::string merged_loads(const std::optional<std::string>& document,
                         const std::vector<core::LearntLoad>& before,
                         const std::vector<core::LearntLoad>& now) {
  auto all = by_key(read_or_nothing(document, learnt_loads_from));
  const auto old = by_key(before);
  for (const auto& load : now) {
    const auto known = old.find(key_of(load));
    // Uses fade by themselves; that they do is no news about what another process may use all the time.
    const bool is_news = known == old.end() || known->second.disk_seconds != load.disk_seconds ||
                         known->second.host_seconds != load.host_seconds || load.uses > known->second.uses;
    if (is_news || all.count(key_of(load)) == 0) all.insert_or_assign(key_of(load), load);
  }
  std::vector<core::LearntLoad> merged;
  merged.reserve(all.size());
  for (auto& [key, load] : all) merged.push_back(std::move(load));
  if (merged.size() > core::History::kMost) {
    std::stable_sort(merged.begin(), merged.end(),
                     [](const auto& a, const auto& b) { return a.uses > b.uses; });
    merged.resize(core::History::kMost);
  }
  return to_document(merged);
}

std::string merged_workspace(const std::optional<std::string>& document,
                             const std::vector<core::LearntWorkspace>& before,
                             const std::vector<core::LearntWorkspace>& now) {
  auto all = by_kind(read_or_nothing(document, learnt_workspace_from));
  auto old = by_kind(before);
  for (const auto& kind : now) {
    auto& samples = all[kind.kind];
    auto& known = old[kind.kind];
    if (samples.empty()) known.clear();  // somebody emptied it: all of ours is news
    // Runs that are alike give figures that are equal, so each counts.
    for (const auto& sample : kind.samples) {
      const auto found = std::find(known.begin(), known.end(), sample);
      if (found == known.end()) {
        samples.push_back(sample);
      } else {
        known.erase(found);
      }
    }
    if (samples.size() > core::WorkspaceProfile::kMostSamples) {  // the newest are at the end
      samples.erase(samples.begin(), samples.end() - core::WorkspaceProfile::kMostSamples);
    }
  }
  std::vector<core::LearntWorkspace> merged;
  for (auto& [kind, samples] : all) {
    if (merged.size() < core::WorkspaceProfile::kMostKinds) merged.push_back({kind, std::move(samples)});
  }
  return to_document(merged);
}

}  // namespace greenroom::app
