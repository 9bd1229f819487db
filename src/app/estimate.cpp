#include "app/estimate.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "app/catalog.h"
#include "base/error.h"
#include "base/log.h"
#include "checkpoint/checkpoint.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;

class Collector {
 public:
  Collector(const Config& config, Estimate& estimate) : config_(config), estimate_(estimate) {}

  void add(const fs::path& path) {
    if (is_index_tts(path) && fs::is_directory(path)) return add_speech_model(path);
    if (!is_voice(path)) return add_file(path);
    try {
      add_voice(path);
    } catch (const base::Error& error) {
      if (error.code() != base::ErrorCode::kInvalidArgument || !fs::is_regular_file(path)) throw;
      base::log(base::LogLevel::kWarning, "estimate",
                fmt::format("{}; what follows is the size of that file alone", error.what()));
      add_file(path);
    }
  }

 private:
  bool is_new(const fs::path& model) { return estimate_.models.insert(fs::weakly_canonical(model)).second; }

  void add_voice(const fs::path& path) {
    const auto description = describe_voice(path, config_.pretrain_dir);
    if (!is_new(description.model_file)) return;
    for (std::size_t i = 0; i < description.components.size(); ++i) {
      const auto& spec = description.components[i];
      const auto& weights = description.weights[i];
      add_line({spec.kind, spec.variant, spec.file, weights, weights.bytes_as(estimate_.dtype), true, {}},
               description.model_file);
    }
  }

  void add_speech_model(const fs::path& path) {
    const auto description =
        describe_speech_model(path, config_.index_tts_search, {estimate_.dtype, estimate_.dtype});
    if (!is_new(description.folder)) return;
    const auto kept = description.resident_components();
    for (std::size_t i = 0; i < description.components.size(); ++i) {
      const auto& spec = description.components[i];
      const bool is_kept = std::find(kept.begin(), kept.end(), i) != kept.end();
      add_line({spec.kind, spec.variant, spec.file, description.weights[i], spec.bytes, is_kept, {}},
               description.folder);
    }
  }

  void add_file(const fs::path& path) {
    const auto file = checkpoint::Checkpoint::open(path, checkpoint::OpenMode::kHeaders);
    if (!is_new(file.path())) return;
    const auto weights = checkpoint::summarize(file);
    add_line({"file",
              std::string(file.format()),
              file.path(),
              weights,
              weights.bytes_as(estimate_.dtype),
              true,
              {}},
             file.path());
  }

  void add_line(EstimateLine line, const fs::path& model) {
    const std::tuple key{line.kind, line.file.string(), line.variant};
    const auto [found, is_first] = seen_.emplace(key, estimate_.lines.size());
    if (is_first) estimate_.lines.push_back(std::move(line));
    estimate_.lines[found->second].models.push_back(model.string());
  }

  const Config& config_;
  Estimate& estimate_;
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> seen_;
};

base::Json to_json(const EstimateLine& line) {
  base::Json stored = base::Json::object();
  for (const auto& [dtype, bytes] : line.weights.bytes_by_dtype) {
    stored[std::string(checkpoint::dtype_name(dtype))] = bytes;
  }
  return {{"kind", line.kind},
          {"file", line.file.string()},
          {"variant", line.variant},
          {"parameters", line.weights.parameters},
          {"stored_bytes", std::move(stored)},
          {"bytes", line.bytes},
          {"kept", line.kept},
          {"models", line.models}};
}

}  // namespace

std::uint64_t Estimate::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines) sum += line.kept ? line.bytes : 0;
  return sum;
}

std::uint64_t Estimate::bytes_without_sharing() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines) sum += line.kept ? line.bytes * line.models.size() : 0;
  return sum;
}

std::uint64_t Estimate::stage_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines) sum += line.kept ? 0 : line.bytes;
  return sum;
}

Estimate estimate(const Config& config, const std::vector<fs::path>& paths, checkpoint::DType dtype) {
  Estimate estimate;
  estimate.dtype = dtype;
  Collector collector(config, estimate);
  for (const auto& path : paths) collector.add(path);
  return estimate;
}

base::Json to_json(const Estimate& estimate) {
  base::Json components = base::Json::array();
  for (const auto& line : estimate.lines) components.push_back(to_json(line));
  return {{"dtype", checkpoint::dtype_name(estimate.dtype)},
          {"components", std::move(components)},
          {"bytes", estimate.bytes()},
          {"bytes_without_sharing", estimate.bytes_without_sharing()},
          {"stage_bytes", estimate.stage_bytes()}};
}

}  // namespace greenroom::app
