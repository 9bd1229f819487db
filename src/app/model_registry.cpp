#include "app/model_registry.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <utility>

#include "app/staged_model.h"
#include "base/error.h"
#include "base/log.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

constexpr std::size_t kLongestId = 200;

bool is_plain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
}

void check_id(const std::string& id) {
  const bool fine = !id.empty() && id.size() <= kLongestId &&
                    std::all_of(id.begin(), id.end(), [](char c) { return is_plain(c) || c == '/'; });
  if (fine) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("the model id \"{}\" must be 1 to {} letters, digits and . _ - /",
                          id.substr(0, kLongestId), kLongestId));
}

std::uint64_t fnv1a(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

// Pinned before baseline before held.
int urgency(const RegisteredModel& model) {
  return model.pinned ? 0 : model.baseline ? 1 : 2;
}

bool comes_back(const RegisteredModel& model, Restore choice) {
  if (choice == Restore::kNone) return false;
  return model.pinned || model.baseline || (choice == Restore::kHeld && model.held);
}

}  // namespace

std::string stable_model_id(const fs::path& file) {
  std::error_code error;
  fs::path canonical = fs::weakly_canonical(file, error);
  if (error) canonical = fs::absolute(file, error).lexically_normal();
  const bool is_folder = fs::is_directory(canonical, error);
  std::string name = (is_folder ? canonical : canonical.parent_path()).filename().string();
  std::erase_if(name, [](char c) { return !is_plain(c); });
  if (name.empty()) name = "model";
  constexpr std::size_t kLongestName = 64;
  return fmt::format("{}-{:08x}", name.substr(0, kLongestName), fnv1a(canonical.string()) >> 32);
}

ModelRegistry::ModelRegistry(StateStore& store, core::Manager& manager, core::Baseline& baseline,
                             ModelSource source)
    : store_(store), manager_(manager), baseline_(baseline), source_(std::move(source)) {
  for (const auto& model : store_.models()) configure(model);
}

std::string ModelRegistry::add(const fs::path& path, const std::string& device, const std::string& id) {
  const auto identity = source_.identify(path);
  RegisteredModel model;
  model.path = fs::absolute(identity.file).lexically_normal();
  model.id = id.empty() ? stable_model_id(model.path) : id;
  check_id(model.id);
  model.type = identity.type;
  if (const auto known = store_.model(model.id)) {
    if (known->path != model.path || known->type != model.type) {
      throw Error(
          ErrorCode::kFailedPrecondition,
          fmt::format("the model id '{}' belongs to {}: choose another for {}, or forget that one first",
                      model.id, known->path.string(), model.path.string()));
    }
    model = *known;
  }
  if (!device.empty()) model.device = device;
  store_.put_model(model);
  return model.id;
}

RegisteredModel ModelRegistry::get(const std::string& id) const {
  auto model = store_.model(id);
  if (!model) throw Error(ErrorCode::kNotFound, fmt::format("there is no model '{}': register it first", id));
  return *std::move(model);
}

void ModelRegistry::forget(const std::string& id) {
  const auto model = get(id);
  const auto status = manager_.model_status(id);
  if (status != core::ModelStatus::kUnloaded && status != core::ModelStatus::kError) {
    throw Error(ErrorCode::kFailedPrecondition, fmt::format("'{}' is {}: unload it before it is forgotten",
                                                            id, core::model_status_name(status)));
  }
  if (status == core::ModelStatus::kError) manager_.unload(id);  // its error goes with it
  store_.remove_model(id);
  baseline_.remove(id);
  manager_.configure(id, {});
}

core::GroupMember ModelRegistry::resolve(const std::string& id) const {
  return source_.make(get(id));
}

void ModelRegistry::load(const std::string& id) {
  const auto member = resolve(id);
  manager_.load(id, member.model, member.device);
  mark_held(id);
}

void ModelRegistry::preload(const std::string& id) {
  const auto member = resolve(id);
  manager_.preload(id, member.model, member.device);
}

void ModelRegistry::unload(const std::string& id, bool force) {
  unload_with_stages(manager_, id, force);
  mark_held(id);
}

void ModelRegistry::mark_held(const std::string& id) {
  base::MutexLock lock(mutex_);
  const auto info = manager_.model_info(id);
  store_.set_held(id, info && info->holds > 0);
}

void ModelRegistry::keep(const std::string& id, const Keep& keep) {
  auto model = get(id);
  model.pinned = keep.pinned;
  model.baseline = keep.baseline;
  model.keep_alive_seconds = keep.keep_alive_seconds;
  store_.put_model(model);
  configure(model);
}

void ModelRegistry::configure(const RegisteredModel& model) {
  core::ModelSettings settings;
  settings.pin = model.pinned;
  if (const auto& seconds = model.keep_alive_seconds) {
    constexpr double kLongest = 1e9;  // seconds; more than that is for ever
    settings.keep_alive =
        *seconds < 0 || *seconds > kLongest
            ? core::ModelSettings::kForever
            : std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(*seconds));
  }
  // In this order: a baseline model gets a keep-alive time when it has none.
  baseline_.remove(model.id);
  manager_.configure(model.id, settings);
  if (model.baseline) {
    baseline_.add({.id = model.id, .resolve = [this, id = model.id] { return resolve(id); }});
  }
}

std::vector<Restored> ModelRegistry::restore(Restore choice) {
  auto models = store_.models();
  std::erase_if(models, [&](const auto& model) { return !comes_back(model, choice); });
  std::stable_sort(models.begin(), models.end(),
                   [](const auto& a, const auto& b) { return urgency(a) < urgency(b); });
  std::vector<Restored> restored;
  for (const auto& model : models) {
    {
      base::MutexLock lock(mutex_);
      if (stopping_) break;
      restoring_ = model.id;
    }
    restored.push_back({model.id, restore_one(model)});
    const auto& problem = restored.back().problem;
    if (!problem.empty()) {
      base::log(base::LogLevel::kWarning, "app",
                fmt::format("'{}' did not come back: {}", model.id, problem));
    }
  }
  base::MutexLock lock(mutex_);
  restoring_.clear();
  return restored;
}

std::string ModelRegistry::restore_one(const RegisteredModel& model) {
  try {
    const auto member = resolve(model.id);
    if (model.held) {
      manager_.load(model.id, member.model, member.device);
    } else {
      manager_.preload(model.id, member.model, member.device);
    }
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

void ModelRegistry::stop_restoring() {
  std::string current;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    current = restoring_;
  }
  if (!current.empty()) manager_.cancel_load(current);
}

}  // namespace greenroom::app
