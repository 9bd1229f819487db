#include "server/model_roots.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/error.h"
#include "server/problem.h"

namespace greenroom::server {
namespace {

namespace fs = std::filesystem;

bool is_below(const fs::path& path, const fs::path& root) {
  const auto [in_root, ignored] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return in_root == root.end();
}

}  // namespace

fs::path demo_folder(const app::Config& config) {
  return config.cache_dir.empty() ? fs::path() : config.cache_dir / "demo-models";
}

ModelRoots::ModelRoots(const std::vector<fs::path>& roots, const app::Config& config) {
  auto wanted = roots;
  std::error_code ignored;
  for (const auto& model : {config.ddsp_svc_model, config.index_tts_model}) {
    if (!model.empty()) wanted.push_back(fs::is_directory(model, ignored) ? model : model.parent_path());
  }
  wanted.insert(wanted.end(), config.index_tts_search.begin(), config.index_tts_search.end());
  wanted.push_back(demo_folder(config));
  for (const auto& root : wanted) {
    if (root.empty()) continue;
    // The demo models' folder may be made later.
    const auto canonical = fs::weakly_canonical(root, ignored);
    if (canonical.empty() || contains(canonical)) continue;
    std::erase_if(roots_, [&](const auto& known) { return is_below(known, canonical); });
    roots_.push_back(canonical);
  }
}

bool ModelRoots::contains(const fs::path& canonical) const {
  return std::any_of(roots_.begin(), roots_.end(),
                     [&](const auto& root) { return is_below(canonical, root); });
}

fs::path ModelRoots::check(const fs::path& path) const {
  constexpr int kForbidden = 403;
  if (!path.is_absolute()) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("\"{}\" is no absolute path; name models by their whole path", path.string()));
  }
  std::error_code error;
  auto canonical = fs::weakly_canonical(path, error);
  if (error || !contains(canonical)) {
    throw HttpError(kForbidden, "forbidden",
                    fmt::format("{} is not in a folder that the server takes models from; start it with "
                                "--model-root {}",
                                path.string(), path.parent_path().string()));
  }
  if (!fs::exists(canonical, error)) {
    throw base::Error(base::ErrorCode::kNotFound, fmt::format("{}: no such file or folder", path.string()));
  }
  return canonical;
}

}  // namespace greenroom::server
