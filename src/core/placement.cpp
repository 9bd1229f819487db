#include "core/placement.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/bytes.h"

namespace greenroom::core {
namespace {

bool is_gpu(const PlacementCandidate& candidate) {
  return candidate.device.kind != base::DeviceKind::kCpu;
}

bool has_room(const PlacementCandidate& candidate) {
  return candidate.missing <= candidate.room;
}

constexpr int kBusy = 100;

// About as much room is as good: two GPUs of a kind never have the same to the byte. A class is some 9 %
// wide.
int room_class(std::uint64_t room) {
  constexpr double kClassesOfADoubling = 8;
  return static_cast<int>(std::log2(static_cast<double>(room) + 1) * kClassesOfADoubling);
}

// Is `a` the better place? Who does not tell its utilisation is taken for busy.
bool is_better(const PlacementCandidate& a, const PlacementCandidate& b) {
  const auto rank = [](const PlacementCandidate& candidate) {
    return std::tuple(has_room(candidate), candidate.present, room_class(candidate.room),
                      -candidate.utilisation_percent.value_or(kBusy), candidate.room);
  };
  return rank(a) > rank(b);
}

std::string describe(const PlacementCandidate& candidate) {
  std::string text = fmt::format("{} of it is there and {} are free", base::format_bytes(candidate.present),
                                 base::format_bytes(candidate.room));
  if (candidate.utilisation_percent) text += fmt::format(", {} % busy", *candidate.utilisation_percent);
  return text;
}

std::uint64_t lack(const PlacementCandidate& candidate) {
  return candidate.missing - std::min(candidate.missing, candidate.room);
}

}  // namespace

Placement place(const std::vector<PlacementCandidate>& candidates, const PlacementRules& rules) {
  if (rules.pinned) return {rules.pinned, "the model is bound to it"};
  const PlacementCandidate* best = nullptr;
  const PlacementCandidate* cpu = nullptr;
  const PlacementCandidate* nearest = nullptr;
  for (const PlacementCandidate& candidate : candidates) {
    if (rules.unusable.count(candidate.device) != 0) continue;
    if (!is_gpu(candidate)) {
      if (rules.allow_cpu && cpu == nullptr) cpu = &candidate;
    } else if (best == nullptr || is_better(candidate, *best)) {
      best = &candidate;
    }
    const bool usable = is_gpu(candidate) || rules.allow_cpu;
    if (usable && (nearest == nullptr || lack(candidate) < lack(*nearest))) nearest = &candidate;
  }
  if (best != nullptr && has_room(*best)) return {best->device, describe(*best)};
  if (cpu != nullptr && has_room(*cpu)) {
    return {cpu->device, best == nullptr ? "there is no GPU that can be used" : "no GPU has room"};
  }
  if (nearest == nullptr) return {std::nullopt, "there is no device that may be used"};
  return {nearest->device, "nothing has room; here it lacks the least: " + describe(*nearest)};
}

}  // namespace greenroom::core
