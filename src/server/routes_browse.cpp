// Finding models in the folders they may be taken from.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

#include "app/catalog.h"
#include "base/error.h"
#include "server/context.h"

namespace greenroom::server {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostEntries = 2000;

bool is_checkpoint(const fs::path& path) {
  const auto extension = path.extension();
  return extension == ".pt" || extension == ".pth" || extension == ".safetensors";
}

class Listing {
 public:
  explicit Listing(const Context& context) : context_(context) {
    for (const auto& model : context.engine.registry().list()) {
      registered_[model.path.string()] = model.id;
      if (model.path.has_extension()) registered_[model.path.parent_path().string()] = model.id;
    }
  }

  // Null for what is neither a folder nor a model.
  base::Json entry(const fs::directory_entry& found) const {
    std::error_code error;
    const fs::path target = fs::canonical(found.path(), error);
    base::Json json = {{"name", found.path().filename().string()}, {"path", found.path().string()}};
    if (error)
      return found.is_symlink(error) ? with_problem(json, "a link that leads nowhere") : base::Json();
    const bool is_folder = fs::is_directory(target, error);
    if (!context_.roots.contains(target)) {
      return is_folder || is_checkpoint(target)
                 ? with_problem(json, "a link that leads out of the folders models are taken from")
                 : base::Json();
    }
    if (is_folder && app::is_index_tts(target)) return model(json, target, "index_tts");
    if (is_folder) return folder(json, target);
    if (!is_checkpoint(target) || !app::is_voice(target)) return {};
    return model(json, target, "ddsp_svc");
  }

 private:
  static base::Json with_problem(base::Json json, const char* problem) {
    json["kind"] = "folder";
    json["problem"] = problem;
    return json;
  }

  // One that holds a voice can be taken as a model, and opened all the same.
  base::Json folder(base::Json json, const fs::path& path) const {
    std::error_code error;
    const bool may_hold_one = fs::exists(path / "config.yaml", error);
    bool holds_one = false;
    for (fs::directory_iterator it(path, error), end; may_hold_one && !error && it != end;
         it.increment(error)) {
      holds_one = holds_one || is_checkpoint(it->path());
    }
    if (holds_one) json = model(json, path, "ddsp_svc");
    json["kind"] = "folder";
    return json;
  }

  base::Json model(base::Json json, const fs::path& path, const char* type) const {
    json["kind"] = "model";
    json["type"] = type;
    try {
      json["bytes"] = context_.engine.estimate_bytes(path);
    } catch (const base::Error& error) {
      json["problem"] = error.what();
    }
    const auto known = registered_.find(path.string());
    if (known != registered_.end()) json["registered_as"] = known->second;
    return json;
  }

  const Context& context_;
  std::map<std::string, std::string> registered_;  // ids by path
};

base::Json entries_of(const Context& context, const fs::path& folder, bool& truncated) {
  const Listing listing(context);
  std::vector<fs::directory_entry> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with('.')) continue;
    if (found.size() >= kMostEntries) {
      truncated = true;
      break;
    }
    found.push_back(*it);
  }
  if (error) {
    throw base::Error(base::ErrorCode::kUnavailable,
                      fmt::format("{} cannot be read: {}", folder.string(), error.message()));
  }
  std::sort(found.begin(), found.end());
  base::Json entries = base::Json::array();
  for (const auto& one : found) {
    if (auto json = listing.entry(one); !json.is_null()) entries.push_back(std::move(json));
  }
  return entries;
}

Response browse(const Context& context, const Request& request) {
  base::Json roots = base::Json::array();
  base::Json entries = base::Json::array();
  for (const auto& root : context.roots.list()) roots.push_back(root.string());
  const auto path = request.query.find("path").value_or("");
  if (path.empty()) {
    std::error_code ignored;
    for (const auto& root : context.roots.list()) {
      if (!fs::is_directory(root, ignored)) continue;
      entries.push_back({{"name", root.string()}, {"path", root.string()}, {"kind", "folder"}});
    }
    return Response::json({{"roots", std::move(roots)}, {"path", ""}, {"entries", std::move(entries)}});
  }
  const auto folder = context.roots.check(path);
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    throw base::Error(base::ErrorCode::kInvalidArgument, fmt::format("{} is no folder", folder.string()));
  }
  bool truncated = false;
  base::Json json = {{"roots", std::move(roots)},
                     {"path", folder.string()},
                     {"entries", entries_of(context, folder, truncated)}};
  if (context.roots.contains(folder.parent_path())) json["parent"] = folder.parent_path().string();
  if (truncated) json["truncated"] = true;
  return Response::json(json);
}

}  // namespace

void add_browse_routes(Router& router, const Context& context) {
  router.add("GET", "/api/v1/models/browse",
             [context](Request& request) { return browse(context, request); });
}

}  // namespace greenroom::server
