// Who has to go so that something else fits. Pure: no clock, no lock, no effects, so that a real request and
// a question ("would it fit?") get the same answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace greenroom::core {

struct Resident {
  std::uint64_t bytes = 0;
  bool pinned = false;  // held, leased or wanted by a load: never chosen
  base::Clock::TimePoint last_used;
};

enum class Verdict {
  kGrant,   // it fits as things are
  kEvict,   // it fits once `evict` is gone
  kRefuse,  // it would not fit if everything idle went; then nothing is to go
};

struct Decision {
  Verdict verdict = Verdict::kRefuse;
  std::vector<std::size_t> evict;  // indexes into the residents, least recently used first
};

// Everything that may go, the least recently used first.
std::vector<std::size_t> order(const std::vector<Resident>& residents);

// In that order, leaving out those that turn out not to be needed.
Decision decide(std::uint64_t demand_bytes, std::uint64_t free_bytes, const std::vector<Resident>& residents);

}  // namespace greenroom::core
