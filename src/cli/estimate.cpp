#include <spdlog/fmt/fmt.h>

#include <map>
#include <set>
#include <tuple>

#include "app/catalog.h"
#include "base/bytes.h"
#include "base/json.h"
#include "cli/commands.h"

namespace greenroom::cli {
namespace {

struct Line {
  core::ComponentSpec spec;
  std::vector<std::string> models;  // that use it
};

// Components in the order met; one that several models name is one line, and a model named twice is one
// model.
std::vector<Line> collect(const app::Config& config, const std::vector<std::filesystem::path>& paths,
                          std::set<std::filesystem::path>& models) {
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> seen;
  std::vector<Line> lines;
  for (const auto& path : paths) {
    const auto description = app::describe_voice(path, config.pretrain_dir);
    if (!models.insert(std::filesystem::weakly_canonical(description.model_file)).second) continue;
    for (const auto& spec : description.components) {
      const std::tuple key{spec.kind, spec.file.string(), spec.variant};
      const auto [found, is_new] = seen.emplace(key, lines.size());
      if (is_new) lines.push_back({spec, {}});
      lines[found->second].models.push_back(description.model_file.string());
    }
  }
  return lines;
}

}  // namespace

int run_estimate(const app::Config& config, const std::vector<std::filesystem::path>& paths, bool json) {
  std::set<std::filesystem::path> models;
  const auto lines = collect(config, paths, models);
  std::uint64_t total = 0;
  std::uint64_t unshared = 0;
  base::Json components = base::Json::array();
  for (const auto& line : lines) {
    total += line.spec.bytes;
    unshared += line.spec.bytes * line.models.size();
    components.push_back({{"kind", line.spec.kind},
                          {"file", line.spec.file.string()},
                          {"variant", line.spec.variant},
                          {"parameters", line.spec.bytes / sizeof(float)},
                          {"bytes", line.spec.bytes},
                          {"models", line.models}});
  }
  if (json) {
    const base::Json report = {
        {"components", components}, {"bytes", total}, {"bytes_without_sharing", unshared}};
    fmt::print("{}\n", report.dump(2, ' ', false, base::Json::error_handler_t::replace));
    return 0;
  }
  fmt::print("{:<16} {:>12} {:>12} {:>7}  {}\n", "component", "parameters", "bytes", "models", "file");
  for (const auto& line : lines) {
    fmt::print("{:<16} {:>12} {:>12} {:>7}  {}\n", line.spec.kind, line.spec.bytes / sizeof(float),
               base::format_bytes(line.spec.bytes), line.models.size(), line.spec.file.string());
  }
  fmt::print("{} {}, {} components, {} in all", models.size(), models.size() == 1 ? "model" : "models",
             lines.size(), base::format_bytes(total));
  if (unshared > total) {
    fmt::print(", each shared component counted once ({} if nothing were shared)",
               base::format_bytes(unshared));
  }
  fmt::print("\n");
  return 0;
}

}  // namespace greenroom::cli
