// What the tables say to those who ask.
#include <algorithm>
#include <set>

#include "core/recovery.h"
#include "core/residency.h"

namespace greenroom::core {
namespace {

using ComponentPtr = std::shared_ptr<Component>;

ComponentState visible_state(const Component& component) {
  switch (component.state) {
    case Component::State::kReserved:
    case Component::State::kReading:
      return ComponentState::kLoading;
    case Component::State::kResident:
      return ComponentState::kResident;
    case Component::State::kGone:
      break;
  }
  return ComponentState::kFreeing;
}

ComponentInfo info_of(const Component& component) {
  ComponentInfo info{component.key.kind,   component.key.file, component.key.variant,
                     component.key.device, component.bytes,    visible_state(component)};
  std::set<std::string> ids;
  for (const auto& [id, count] : component.holders) ids.insert(id);
  for (const auto& [id, count] : component.wanted_by) ids.insert(id);
  info.holders.assign(ids.begin(), ids.end());
  info.leases = component.leases;
  return info;
}

}  // namespace

std::uint64_t total_bytes(const std::vector<ComponentPtr>& components) {
  std::set<const Component*> seen;
  std::uint64_t bytes = 0;
  for (const auto& component : components) {
    if (seen.insert(component.get()).second) bytes += component->bytes;
  }
  return bytes;
}

std::vector<ComponentPtr> Residency::residents(base::DeviceId device) const {
  std::vector<ComponentPtr> result;
  for (const auto& [key, component] : components_) {
    if (key.device == device && component->state == Component::State::kResident) result.push_back(component);
  }
  return result;
}

std::vector<std::string> Residency::models_with(const Component& component) const {
  std::vector<std::string> ids;
  for (const auto& [id, record] : models_) {
    if (!record.current) continue;
    const auto& parts = record.current->components;
    const bool consists_of_it =
        std::any_of(parts.begin(), parts.end(), [&](const auto& part) { return part.get() == &component; });
    if (consists_of_it) ids.push_back(id);
  }
  return ids;
}

ModelInfo Residency::info(const std::string& id, const ModelRecord& record) const {
  ModelInfo info{.id = id, .type = record.type, .device = record.device, .status = record.status()};
  info.error = record.error;
  if (!record.error.empty()) {
    info.error_code = base::error_code_name(record.error_code);
    info.remedy = remedy_for(record.error_code);
  }
  if (record.attempt) info.waiting = 1 + record.attempt->joiners;
  if (!record.current) return info;
  info.holds = record.current->holds;
  info.leases = record.current->leases;
  info.last_used = record.current->last_used;
  if (record.current->lost) return info;
  info.bytes = total_bytes(record.current->components);
  for (const ComponentPtr& component : record.current->components) {
    info.components.push_back(info_of(*component));
  }
  return info;
}

std::vector<ModelInfo> Residency::models() const {
  std::vector<ModelInfo> result;
  for (const auto& [id, record] : models_) result.push_back(info(id, record));
  return result;
}

std::vector<ComponentInfo> Residency::components(base::DeviceId device) const {
  std::vector<ComponentInfo> result;
  for (const auto& [key, component] : components_) {
    if (key.device == device) result.push_back(info_of(*component));
  }
  for (const ComponentPtr& component : departing_) {
    if (component->key.device == device) result.push_back(info_of(*component));
  }
  return result;
}

}  // namespace greenroom::core
