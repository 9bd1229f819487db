#include "server/wire.h"

#include <algorithm>

#include "server/device_json.h"
#include "server/fields.h"

namespace greenroom::server {
namespace {

base::Json to_json(const core::LedgerTotals& ledger) {
  return {{"capacity", ledger.capacity},
          {"reserved", ledger.reserved},
          {"resident", ledger.resident},
          {"workspace", ledger.workspace},
          {"free", ledger.free()}};
}

base::Json to_json(const core::ModelInfo& model) {
  base::Json json = {{"id", model.id},
                     {"type", model.type},
                     {"device", base::to_string(model.device)},
                     {"status", core::model_status_name(model.status)},
                     {"holds", model.holds},
                     {"leases", model.leases},
                     {"waiting", model.waiting},
                     {"bytes", model.bytes}};
  if (!model.error.empty()) json["error"] = model.error;
  return json;
}

base::Json to_json(const std::vector<core::PreloadConfig>& models) {
  base::Json json = base::Json::array();
  for (const auto& model : models) {
    json.push_back({{"model_type", model.model_type},
                    {"model_path", model.model_path.string()},
                    {"device", model.device},
                    {"priority", model.priority}});
  }
  return json;
}

template <typename Value>
base::Json list(const std::vector<Value>& values) {
  base::Json json = base::Json::array();
  for (const auto& value : values) json.push_back(server::to_json(value));
  return json;
}

std::vector<core::PreloadConfig> models_from(Fields& fields, const std::string& name) {
  constexpr int kMostPriority = 1'000'000;
  std::vector<core::PreloadConfig> models;
  for (const auto* object : fields.objects(name)) {
    Fields model(*object, name + "[" + std::to_string(models.size()) + "].");
    core::PreloadConfig config;
    config.model_path = model.text("model_path");
    config.model_type = model.optional_text("model_type").value_or("");
    config.device = model.optional_text("device").value_or("auto");
    config.priority =
        static_cast<int>(model.optional_integer("priority", -kMostPriority, kMostPriority).value_or(0));
    model.finish();
    models.push_back(std::move(config));
  }
  return models;
}

}  // namespace

std::int64_t to_ms(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

base::Json to_json(const core::ComponentInfo& component) {
  return {{"kind", component.kind},
          {"file", component.file.string()},
          {"variant", component.variant},
          {"bytes", component.bytes},
          {"state", core::component_state_name(component.state)},
          {"models", component.holders},
          {"leases", component.leases}};
}

base::Json to_json(const app::DeviceStatus& device, bool components) {
  base::Json json = {{"id", base::to_string(device.id)},
                     {"name", device.name},
                     {"uuid", device.uuid},
                     {"memory", server::to_json(device.memory)},
                     {"telemetry", server::to_json(device.telemetry)},
                     {"processes", server::to_json(device.processes)},
                     {"ledger", to_json(device.ledger)}};
  if (components) json["components"] = list(device.components);
  if (!device.problem.empty()) json["problem"] = device.problem;
  return json;
}

base::Json to_json(const app::Status& status, const std::string& version) {
  base::Json devices = base::Json::array();
  for (const auto& device : status.devices) devices.push_back(to_json(device));
  base::Json models = base::Json::array();
  for (const auto& model : status.models) models.push_back(to_json(model));
  return {{"version", version},
          {"uptime_seconds", status.uptime_seconds},
          {"devices", devices},
          {"models", models},
          {"state_problems", status.state_problems}};
}

base::Json to_json(const core::HostMemory& memory) {
  base::Json images = base::Json::array();
  for (const auto& image : memory.images) {
    images.push_back({{"kind", image.kind},
                      {"file", image.file.string()},
                      {"bytes", image.bytes},
                      {"in_use", image.in_use}});
  }
  return {{"capacity", memory.totals.capacity},
          {"resident", memory.totals.resident},
          {"reserved", memory.totals.reserved},
          {"images", std::move(images)}};
}

base::Json to_json(const core::Plan& plan) {
  base::Json parts = base::Json::array();
  for (const auto& part : plan.parts) {
    parts.push_back({{"component", part.component},
                     {"bytes", part.bytes},
                     {"source", core::source_name(part.source)},
                     {"seconds", part.seconds}});
  }
  base::Json evict = base::Json::array();
  for (const auto& victim : plan.evict) {
    evict.push_back({{"component", victim.component},
                     {"bytes", victim.bytes},
                     {"models", victim.models},
                     {"reason", victim.reason}});
  }
  return {{"device", base::to_string(plan.device)},
          {"purpose", plan.purpose},
          {"fits", plan.fits},
          {"problem", plan.problem},
          {"needed_bytes", plan.needed_bytes},
          {"free_bytes", plan.free_bytes},
          {"capacity_bytes", plan.capacity_bytes},
          {"bound_by", plan.bound_by},
          {"remaining_bytes", plan.remaining_bytes},
          {"seconds", plan.seconds},
          {"parts", std::move(parts)},
          {"evict", std::move(evict)}};
}

base::Json to_json(const core::DecisionRecord& record) {
  base::Json candidates = base::Json::array();
  for (const auto& candidate : record.candidates) {
    candidates.push_back({{"component", candidate.component},
                          {"bytes", candidate.bytes},
                          {"idle_seconds", candidate.idle_seconds},
                          {"uses", candidate.uses},
                          {"reload_seconds", candidate.reload_seconds},
                          {"young", candidate.young},
                          {"evicted", candidate.evicted}});
  }
  return {{"sequence", record.sequence},
          {"time_ms", to_ms(record.time)},
          {"device", base::to_string(record.device)},
          {"purpose", record.purpose},
          {"verdict", core::verdict_name(record.verdict)},
          {"policy", core::eviction_policy_name(record.policy)},
          {"needed_bytes", record.needed_bytes},
          {"free_bytes", record.free_bytes},
          {"capacity_bytes", record.capacity_bytes},
          {"bound_by", record.bound_by},
          {"candidates", std::move(candidates)},
          {"unloaded", record.unloaded}};
}

base::Json to_json(const app::HistoryEntry& entry) {
  return {{"id", entry.id},
          {"time_ms", entry.time_ms},
          {"type", entry.type},
          {"model_id", entry.model_id},
          {"model_type", entry.model_type},
          {"device", entry.device},
          {"component", entry.component},
          {"bytes", entry.bytes},
          {"seconds", entry.seconds},
          {"message", entry.message},
          {"cause", entry.cause}};
}

base::Json to_json(const core::Event& event) {
  return {{"time_ms", to_ms(event.time)},
          {"type", core::event_type_name(event.type)},
          {"model_id", event.model_id},
          {"model_type", event.model_type},
          {"device", base::to_string(event.device)},
          {"component", event.component},
          {"bytes", event.bytes},
          {"total_bytes", event.total_bytes},
          {"seconds", event.seconds},
          {"message", event.message},
          {"cause", event.cause}};
}

base::Json to_json(const core::TaskStatus& task) {
  return {{"task_name", task.profile.task_name},
          {"required_models", to_json(task.profile.required_models)},
          {"optional_models", to_json(task.profile.optional_models)},
          {"memory_limit_mb", task.profile.memory_limit_mb},
          {"auto_cleanup", task.profile.auto_cleanup},
          {"preloading", task.preloading},
          {"held", task.held}};
}

base::Json to_json(const core::Preloaded& preloaded) {
  base::Json skipped = base::Json::array();
  for (const auto& one : preloaded.skipped) {
    skipped.push_back({{"model_path", one.model_path.string()}, {"reason", one.reason}});
  }
  return {{"required", preloaded.required},
          {"optional", preloaded.optional},
          {"skipped", std::move(skipped)},
          {"bytes", preloaded.bytes}};
}

base::Json to_json(const core::HoldInfo& hold) {
  base::Json json = {
      {"id", hold.id}, {"owner", hold.owner}, {"models", hold.models}, {"age_seconds", hold.age_seconds}};
  if (hold.pid != 0) json["pid"] = hold.pid;
  if (hold.remaining_seconds) json["remaining_seconds"] = *hold.remaining_seconds;
  return json;
}

base::Json alert_json(const monitor::MemoryAlert& alert) {
  return {{"time_ms", to_ms(alert.timestamp)},
          {"type", alert.alert_type},
          {"rule", alert.rule},
          {"device", alert.device},
          {"message", alert.message},
          {"value", alert.memory_usage},
          {"threshold", alert.threshold}};
}

core::TaskProfile task_from(const base::Json& json, const std::string& name) {
  constexpr std::int64_t kMostMegabytes = 1LL << 40;
  Fields fields(json);
  core::TaskProfile profile;
  profile.task_name = fields.optional_text("task_name").value_or(name);
  if (profile.task_name != name) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      "the field task_name is \"" + profile.task_name + "\"; the path says \"" + name + "\"");
  }
  profile.required_models = models_from(fields, "required_models");
  profile.optional_models = models_from(fields, "optional_models");
  profile.memory_limit_mb =
      static_cast<std::uint64_t>(fields.optional_integer("memory_limit_mb", 0, kMostMegabytes).value_or(0));
  profile.auto_cleanup = fields.flag("auto_cleanup", true);
  fields.finish();
  return profile;
}

}  // namespace greenroom::server
