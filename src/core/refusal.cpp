#include "core/refusal.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "base/bytes.h"

namespace greenroom::core {
namespace {

using base::format_bytes;

// A message is read by a person: the largest few, then how many more.
constexpr std::size_t kListed = 8;

std::string join(const std::vector<std::string>& items, std::string_view separator) {
  const std::size_t listed = std::min(items.size(), kListed);
  std::string text = fmt::format("{}", fmt::join(items.begin(), std::next(items.begin(), listed), separator));
  if (items.size() > listed) text += fmt::format("{}{} more", separator, items.size() - listed);
  return text;
}

std::string describe_parts(const Refusal& refusal) {
  if (refusal.parts.empty()) return "";
  std::vector<std::string> parts;
  parts.reserve(refusal.parts.size());
  for (const auto& [label, bytes] : refusal.parts) parts.push_back(label + " " + format_bytes(bytes));
  return " (" + join(parts, ", ") + ")";
}

std::string describe_component(const ComponentInfo& component) {
  std::string text = fmt::format("{} ({}) {}", component.kind, component.file.filename().string(),
                                 format_bytes(component.bytes));
  if (component.state != ComponentState::kResident) {
    text += fmt::format(" {}", component_state_name(component.state));
  } else if (component.holders.empty() && component.leases == 0) {
    text += " idle";
  }
  if (!component.holders.empty()) text += " for " + join(component.holders, ", ");
  if (component.leases > 0) text += fmt::format(" [{} running]", component.leases);
  return text;
}

std::string describe_held(const Refusal& refusal) {
  auto held = refusal.held;
  std::stable_sort(held.begin(), held.end(), [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  std::vector<std::string> items;
  items.reserve(held.size() + 1);
  for (const ComponentInfo& component : held) items.push_back(describe_component(component));
  if (refusal.totals.workspace > 0) {
    // First, so that it is never among the unlisted.
    items.insert(items.begin(), "workspace of running inferences " + format_bytes(refusal.totals.workspace));
  }
  if (refusal.totals.cache > 0) items.push_back("caches " + format_bytes(refusal.totals.cache));
  return items.empty() ? "" : " Held: " + join(items, "; ") + ".";
}

std::string describe_remedy(const Refusal& refusal) {
  const std::string device = base::to_string(refusal.device);
  if (!refusal.bound_by.empty()) return "";  // said already, and no budget helps
  if (refusal.needed_bytes > refusal.totals.capacity) {
    return fmt::format(" That is more than the whole budget of {}: raise it, or use another device.", device);
  }
  std::set<std::string> ids;
  for (const ComponentInfo& component : refusal.held)
    ids.insert(component.holders.begin(), component.holders.end());
  if (ids.empty()) return fmt::format(" Try again when they have ended, or raise the budget of {}.", device);
  const std::vector<std::string> listed(ids.begin(), ids.end());
  return fmt::format(" Unload {}{}, or raise the budget of {}.", listed.size() > 1 ? "one of " : "",
                     join(listed, ", "), device);
}

}  // namespace

std::string describe(const Refusal& refusal) {
  return fmt::format("{}: {} needs {}{}, but {} of {} is free{}.{}{}", base::to_string(refusal.device),
                     refusal.purpose, format_bytes(refusal.needed_bytes), describe_parts(refusal),
                     format_bytes(refusal.totals.free()), format_bytes(refusal.totals.capacity),
                     refusal.bound_by.empty() ? "" : " (" + refusal.bound_by + ")", describe_held(refusal),
                     describe_remedy(refusal));
}

}  // namespace greenroom::core
