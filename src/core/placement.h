// Which device a model goes to when the user says "auto". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/device_id.h"

namespace greenroom::core {

// A device as far as placing one model is concerned. In bytes.
struct PlacementCandidate {
  base::DeviceId device;
  std::uint64_t present = 0;               // of the model's components, what is on the device already
  std::uint64_t missing = 0;               // what would have to be brought there
  std::uint64_t room = 0;                  // free, everything idle counted as free
  std::optional<int> utilisation_percent;  // absent: the device does not tell
};

struct PlacementRules {
  bool allow_cpu = true;                 // when no GPU can take it
  std::optional<base::DeviceId> pinned;  // the user's choice for this model; nothing else is considered
  std::set<base::DeviceId> unusable;     // there, but models cannot run on them
};

struct Placement {
  std::optional<base::DeviceId> device;  // absent: no candidate may be used at all
  std::string reason;                    // for people
};

// The GPU that has most of the model already and room for the rest; then the one with most room; then the
// less busy one; then the first. The CPU only when no GPU has room. When nothing has room, the one that lacks
// the least, so that the refusal there says what is missing.
Placement place(const std::vector<PlacementCandidate>& candidates, const PlacementRules& rules);

}  // namespace greenroom::core
