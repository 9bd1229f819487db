#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "app/catalog.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "checkpoint/summary.h"
#include "cli/commands.h"

namespace greenroom::cli {
namespace {

namespace fs = std::filesystem;
using checkpoint::Summary;

struct Line {
  std::string kind, variant;
  fs::path file;
  Summary weights;
  std::vector<std::string> models;  // that use it
};

struct Estimate {
  std::set<fs::path> models;
  std::vector<Line> lines;
};

// Components in the order met; one that several models name is one line, and a model named twice is one
// model.
class Collector {
 public:
  Collector(const app::Config& config, Estimate& estimate) : config_(config), estimate_(estimate) {}

  void add(const fs::path& path) {
    if (app::is_index_tts(path) && fs::is_directory(path)) return add_folder(path);
    if (!app::is_voice(path)) return add_file(path);
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
  void add_voice(const fs::path& path) {
    const auto description = app::describe_voice(path, config_.pretrain_dir);
    if (!estimate_.models.insert(fs::weakly_canonical(description.model_file)).second) return;
    for (std::size_t i = 0; i < description.components.size(); ++i) {
      const auto& spec = description.components[i];
      add_line({spec.kind, spec.variant, spec.file, description.weights[i], {}}, description.model_file);
    }
  }

  void add_file(const fs::path& path) {
    const auto file = checkpoint::Checkpoint::open(path, checkpoint::OpenMode::kHeaders);
    if (!estimate_.models.insert(fs::weakly_canonical(file.path())).second) return;
    add_line({"file", std::string(file.format()), file.path(), checkpoint::summarize(file), {}}, file.path());
  }

  // A model that is not described here yet: all of its checkpoints, whole.
  void add_folder(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const auto extension = entry.path().extension();
      if (entry.is_regular_file() &&
          (extension == ".pt" || extension == ".pth" || extension == ".safetensors" || extension == ".bin")) {
        files.push_back(entry.path());
      }
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) add_file(file);
  }

  void add_line(Line line, const fs::path& model) {
    const std::tuple key{line.kind, line.file.string(), line.variant};
    const auto [found, is_new] = seen_.emplace(key, estimate_.lines.size());
    if (is_new) estimate_.lines.push_back(std::move(line));
    estimate_.lines[found->second].models.push_back(model.string());
  }

  const app::Config& config_;
  Estimate& estimate_;
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> seen_;
};

base::Json to_json(const Line& line, checkpoint::DType dtype) {
  base::Json stored = base::Json::object();
  for (const auto& [each, bytes] : line.weights.bytes_by_dtype) stored[std::string(dtype_name(each))] = bytes;
  return {{"kind", line.kind},
          {"file", line.file.string()},
          {"variant", line.variant},
          {"parameters", line.weights.parameters},
          {"stored_bytes", std::move(stored)},
          {"bytes", line.weights.bytes_as(dtype)},
          {"models", line.models}};
}

// "float32 27.3 MiB, int64 8 B"
std::string stored(const Summary& weights) {
  std::vector<std::string> parts;
  for (const auto& [dtype, bytes] : weights.bytes_by_dtype)
    parts.push_back(fmt::format("{} {}", dtype_name(dtype), base::format_bytes(bytes)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void print_table(const Estimate& estimate, checkpoint::DType dtype) {
  fmt::print("{:<16} {:>12} {:<28} {:>12} {:>7}  {}\n", "component", "parameters", "stored as", "on device",
             "models", "file");
  std::uint64_t total = 0;
  std::uint64_t unshared = 0;
  for (const auto& line : estimate.lines) {
    const std::uint64_t bytes = line.weights.bytes_as(dtype);
    total += bytes;
    unshared += bytes * line.models.size();
    fmt::print("{:<16} {:>12} {:<28} {:>12} {:>7}  {}\n", line.kind, line.weights.parameters,
               stored(line.weights), base::format_bytes(bytes), line.models.size(), line.file.string());
  }
  fmt::print("{} {}, {} components, {} in all as {}", estimate.models.size(),
             estimate.models.size() == 1 ? "model" : "models", estimate.lines.size(),
             base::format_bytes(total), dtype_name(dtype));
  if (unshared > total) {
    fmt::print(", each shared component counted once ({} if nothing were shared)",
               base::format_bytes(unshared));
  }
  fmt::print("\n");
}

}  // namespace

int run_estimate(const app::Config& config, const EstimateArguments& arguments) {
  Estimate estimate;
  Collector collector(config, estimate);
  for (const auto& path : arguments.paths) collector.add(path);
  if (!arguments.json) {
    print_table(estimate, arguments.dtype);
    return 0;
  }
  base::Json components = base::Json::array();
  std::uint64_t total = 0;
  std::uint64_t unshared = 0;
  for (const auto& line : estimate.lines) {
    components.push_back(to_json(line, arguments.dtype));
    total += line.weights.bytes_as(arguments.dtype);
    unshared += line.weights.bytes_as(arguments.dtype) * line.models.size();
  }
  const base::Json report = {{"dtype", dtype_name(arguments.dtype)},
                             {"components", components},
                             {"bytes", total},
                             {"bytes_without_sharing", unshared}};
  fmt::print("{}\n", report.dump(2, ' ', false, base::Json::error_handler_t::replace));
  return 0;
}

}  // namespace greenroom::cli
