// How the engine's settings change while it runs.
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include "app/default_tasks.h"
#include "app/engine.h"
#include "base/error.h"
#include "base/log.h"

namespace greenroom::app {

using base::Error;
using base::ErrorCode;

namespace {

constexpr auto kKept = StateStore::Kind::kSetting;

void check_together(const Config& config) {
  const auto problem = find_contradiction(config.monitoring);
  if (!problem.empty()) throw Error(ErrorCode::kInvalidArgument, problem);
}

}  // namespace

void Engine::use_kept_settings() {
  for (const auto& setting : all_settings()) {
    const auto kept = state_.store().get(kKept, setting.name);
    if (!kept) continue;
    try {
      auto changed = config_;
      setting.put(changed, from_text(setting, *kept));
      check_together(changed);
      config_ = std::move(changed);
      base::log(base::LogLevel::kInfo, "app",
                fmt::format("{} is {}, as it was set while greenroom ran", setting.name, *kept));
    } catch (const Error& error) {  // what an older release allowed, or what the file now contradicts
      base::log(base::LogLevel::kWarning, "app",
                fmt::format("the kept setting {}: {}; it is not used", setting.name, error.what()));
    }
  }
  base::MutexLock lock(mutex_);
  current_ = config_;
}

GpuSettings Engine::gpu_settings() const {
  base::MutexLock lock(mutex_);
  return current_.gpu;
}

std::vector<SettingState> Engine::settings() const {
  const auto kept = state_.store().all(kKept);
  std::vector<SettingState> list;
  base::MutexLock lock(mutex_);
  for (const auto& setting : all_settings()) {
    list.push_back({&setting, setting.get(current_), setting.get(configured_), kept.count(setting.name) > 0});
  }
  return list;
}

void Engine::change_settings(const SettingChanges& changes) {
  for (const auto& [name, value] : changes) {
    const auto* setting = find_setting(name);
    if (setting == nullptr) {
      std::vector<std::string> names;
      for (const auto& known : all_settings()) names.push_back(known.name);
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{} is no setting that can be changed while greenroom runs; these are: {}",
                              name, fmt::join(names, ", ")));
    }
    if (!value.is_null()) setting->check(value);
  }
  {
    base::MutexLock lock(mutex_);
    auto changed = current_;
    for (const auto& [name, value] : changes) {
      const auto* setting = find_setting(name);
      setting->put(changed, value.is_null() ? setting->get(configured_) : value);
    }
    check_together(changed);
    current_ = std::move(changed);
  }
  for (const auto& [name, value] : changes) {
    if (value.is_null()) {
      state_.store().remove(kKept, name);
    } else {
      state_.store().put(kKept, name, to_text(value));
    }
  }
  apply_live_settings();
}

void Engine::apply_live_settings() {
  Config now;
  {
    base::MutexLock lock(mutex_);
    now = current_;
  }
  manager_->set_policy(now.eviction_policy);
  monitoring_->set_thresholds(now.monitoring);
}

void Engine::change_gpu_setting(const std::string& name, const std::string& value) {
  const auto* setting = find_setting("gpu." + name);
  if (setting == nullptr) {
    change_settings({{"gpu." + name, value}});  // throws
    return;
  }
  change_settings({{setting->name, from_text(*setting, value)}});
}

void Engine::reset_gpu_setting(const std::string& name) {
  change_settings({{"gpu." + name, base::Json()}});
}

std::vector<std::string> Engine::reload(const Config& fresh) {
  std::vector<std::string> later;
  const auto kept = state_.store().all(kKept);
  {
    base::MutexLock lock(mutex_);
    for (const auto& setting : all_settings()) {
      const auto wanted = setting.get(fresh);
      setting.put(configured_, wanted);
      if (kept.count(setting.name) > 0 || wanted == setting.get(current_)) continue;
      if (setting.live) {
        setting.put(current_, wanted);
      } else {
        later.push_back(setting.name);
      }
    }
  }
  apply_live_settings();
  const auto kept_tasks = state_.store().all(StateStore::Kind::kTaskProfile);
  for (const auto& profile : default_tasks(fresh)) {
    if (kept_tasks.count(profile.task_name) == 0) tasks_->register_task_profile(profile);
  }
  const auto note = [&](const char* name, bool changed) {
    if (changed) later.emplace_back(name);
  };
  note("gpu.memory_budgets", fresh.memory_budgets != config_.memory_budgets);
  note("gpu.host_cache_mb", fresh.host_cache_bytes != config_.host_cache_bytes);
  note("gpu.memory_monitoring_enabled", fresh.monitoring.enabled != config_.monitoring.enabled);
  note("gpu.alert_webhook_url", fresh.monitoring.webhook_url != config_.monitoring.webhook_url);
  note("ddsp_svc.pretrain_dir", fresh.pretrain_dir != config_.pretrain_dir);
  note("index_tts.search_dirs", fresh.index_tts_search != config_.index_tts_search);
  note("index_tts.precision", fresh.index_tts_precision != config_.index_tts_precision);
  note("system.cache_dir", fresh.cache_dir != config_.cache_dir);
  note("system.device", fresh.device != config_.device);
  note("system.threads", fresh.threads != config_.threads);
  note("system.worker_processes", fresh.worker_processes != config_.worker_processes);
  note("system.worker_idle_seconds", fresh.worker_idle_seconds != config_.worker_idle_seconds);
  return later;
}

}  // namespace greenroom::app
