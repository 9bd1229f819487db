// Who has to go so that something else fits. Pure: no clock, no lock, no effects, so that a real request, a
// question ("would it fit?") and a simulation get the same answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace greenroom::core {

enum class EvictionPolicy {
  kCost,  // what is cheap to bring back, rarely used and large goes first
  kLru,   // what was used longest ago goes first
};

// "cost", "lru".
std::string_view eviction_policy_name(EvictionPolicy policy);
std::optional<EvictionPolicy> parse_eviction_policy(std::string_view name);

struct Resident {
  std::uint64_t bytes = 0;
  bool pinned = false;  // held, leased, pinned or wanted by a load: never chosen
  base::Clock::TimePoint last_used;
  bool young = false;  // has not had its least time of residence: chosen only when the others do not do
  double uses = 0;     // recent ones, older ones counting less
  double reload_seconds = 0;  // what it takes to bring it back
};

// What is lost by a byte of it: likelihood of use x cost to bring it back / bytes.
double value_per_byte(const Resident& resident);

enum class Verdict {
  kGrant,   // it fits as things are
  kEvict,   // it fits once `evict` is gone
  kRefuse,  // it would not fit if everything idle went; then nothing is to go
};

struct Decision {
  Verdict verdict = Verdict::kRefuse;
  std::vector<std::size_t> evict;  // indexes into the residents, the first to go first
};

// Everything that may go, the first to go first.
std::vector<std::size_t> order(const std::vector<Resident>& residents, EvictionPolicy policy);

// In that order, leaving out those that turn out not to be needed.
Decision decide(std::uint64_t demand_bytes, std::uint64_t free_bytes, const std::vector<Resident>& residents,
                EvictionPolicy policy = EvictionPolicy::kLru);

}  // namespace greenroom::core
