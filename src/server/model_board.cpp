#include "server/model_board.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/error.h"
#include "server/wire.h"

namespace greenroom::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

// For reading sizes of models nobody asked about yet, in one look at all of them.
constexpr milliseconds kPatience{50};
constexpr std::size_t kMostEstimates = 4096;

base::Json components_of(const core::ModelInfo& info) {
  base::Json components = base::Json::array();
  for (const auto& component : info.components) {
    base::Json json = to_json(component);
    base::Json others = base::Json::array();
    for (const auto& holder : component.holders) {
      if (holder != info.id) others.push_back(holder);
    }
    json.erase("models");
    json["shared_with"] = std::move(others);
    components.push_back(std::move(json));
  }
  return components;
}

}  // namespace

ModelBoard::ModelBoard(app::Engine& engine)
    : engine_(engine),
      wall_epoch_(system_clock::now() - std::chrono::duration_cast<system_clock::duration>(
                                            steady_clock::now().time_since_epoch())) {}

std::map<std::string, base::Json> ModelBoard::entries() {
  std::map<std::string, core::ModelInfo> loaded;
  for (auto& info : engine_.models()) loaded.emplace(info.id, std::move(info));
  std::map<std::string, base::Json> result;
  for (const auto& model : engine_.registry().list()) {
    const auto found = loaded.find(model.id);
    result.emplace(model.id, make(model.id, &model, found == loaded.end() ? nullptr : &found->second));
  }
  for (const auto& [id, info] : loaded) {
    if (result.count(id) == 0) result.emplace(id, make(id, nullptr, &info));
  }
  const auto until = steady_clock::now() + kPatience;
  for (auto& [id, json] : result) {
    const auto bytes = estimate(json["path"].get<std::string>(), steady_clock::now() < until);
    if (bytes) json["estimated_bytes"] = *bytes;
  }
  return result;
}

base::Json ModelBoard::entry(const std::string& id) {
  const auto registered = engine_.registry().find(id);
  const auto info = engine_.model_info(id);
  if (!registered && !info) {
    throw base::Error(base::ErrorCode::kNotFound,
                      fmt::format("there is no model '{}': register it with POST /api/v1/models", id));
  }
  auto json = make(id, registered ? &*registered : nullptr, info ? &*info : nullptr);
  if (const auto bytes = estimate(json["path"].get<std::string>(), true)) json["estimated_bytes"] = *bytes;
  return json;
}

base::Json ModelBoard::make(const std::string& id, const app::RegisteredModel* registered,
                            const core::ModelInfo* info) {
  const core::ModelInfo none;
  const app::RegisteredModel unknown;
  const core::ModelInfo& now = info != nullptr ? *info : none;
  const app::RegisteredModel& kept = registered != nullptr ? *registered : unknown;
  base::Json json = {{"id", id},
                     {"type", registered != nullptr ? kept.type : now.type},
                     {"path", registered != nullptr ? kept.path.string() : id},
                     {"registered", registered != nullptr},
                     {"device", registered != nullptr ? kept.device : base::to_string(now.device)},
                     {"status", core::model_status_name(now.status)},
                     {"holds", now.holds},
                     {"leases", now.leases},
                     {"waiting", now.waiting},
                     {"bytes", now.bytes},
                     {"pinned", kept.pinned},
                     {"baseline", kept.baseline},
                     {"keep_alive_seconds", nullptr},
                     {"components", components_of(now)}};
  if (kept.keep_alive_seconds) json["keep_alive_seconds"] = *kept.keep_alive_seconds;
  if (now.status != core::ModelStatus::kUnloaded) json["placed"] = base::to_string(now.device);
  if (now.last_used) {
    json["last_used_ms"] = to_ms(
        wall_epoch_ + std::chrono::duration_cast<system_clock::duration>(now.last_used->time_since_epoch()));
    const std::chrono::duration<double> idle = steady_clock::now() - *now.last_used;
    if (now.leases == 0) json["idle_seconds"] = std::max(0.0, idle.count());
  }
  if (!now.error.empty()) json["error"] = now.error;
  if (!now.error_code.empty()) json["error_code"] = now.error_code;
  if (!now.remedy.empty()) json["remedy"] = now.remedy;
  base::MutexLock lock(mutex_);
  const auto problem = problems_.find(id);
  if (problem != problems_.end() && now.status == core::ModelStatus::kUnloaded) {
    json["status"] = "error";
    json["error"] = problem->second.what();
    json["error_code"] = base::error_code_name(problem->second.code());
  }
  const auto progress = progress_.find(id);
  if (progress != progress_.end() && now.status == core::ModelStatus::kLoading) {
    std::uint64_t bytes = 0;
    for (const auto& [component, done] : progress->second.done) bytes += done;
    json["progress"] = {{"component", progress->second.component},
                        {"bytes", bytes},
                        {"total_bytes", std::max(bytes, progress->second.total_bytes)}};
  }
  return json;
}

std::optional<std::uint64_t> ModelBoard::estimate(const std::filesystem::path& path, bool may_read) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(path, error);
  if (error) return std::nullopt;
  const std::pair key{path.string(), static_cast<std::int64_t>(time.time_since_epoch().count())};
  {
    base::MutexLock lock(mutex_);
    if (const auto found = estimates_.find(key); found != estimates_.end()) return found->second.bytes;
  }
  if (!may_read) return std::nullopt;
  Known known;
  try {
    known.bytes = engine_.estimate_bytes(path);
  } catch (const base::Error&) {  // loading it will say why
  }
  base::MutexLock lock(mutex_);
  if (estimates_.size() >= kMostEstimates) estimates_.clear();
  estimates_[key] = known;
  return known.bytes;
}

void ModelBoard::note(const core::Event& event) {
  base::MutexLock lock(mutex_);
  switch (event.type) {
    case core::EventType::kCacheMiss:
      progress_[event.model_id] = {.component = "", .done = {}, .total_bytes = event.bytes};
      problems_.erase(event.model_id);
      break;
    case core::EventType::kLoadProgress: {
      auto& progress = progress_[event.model_id];
      progress.component = event.component;
      progress.done[event.component] = event.bytes;
      break;
    }
    case core::EventType::kLoadCompleted:
    case core::EventType::kLoadFailed:
      progress_.erase(event.model_id);
      problems_.erase(event.model_id);
      break;
    default:
      break;
  }
}

void ModelBoard::note_problem(const std::string& id, const std::optional<base::Error>& problem) {
  base::MutexLock lock(mutex_);
  problems_.erase(id);
  if (problem) problems_.emplace(id, *problem);
}

}  // namespace greenroom::server
