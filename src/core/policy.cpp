#include "core/policy.h"

#include <algorithm>

namespace greenroom::core {

std::vector<std::size_t> order(const std::vector<Resident>& residents) {
  std::vector<std::size_t> idle;
  for (std::size_t i = 0; i < residents.size(); ++i) {
    if (!residents[i].pinned && residents[i].bytes > 0) idle.push_back(i);
  }
  std::stable_sort(idle.begin(), idle.end(), [&](std::size_t a, std::size_t b) {
    return residents[a].last_used < residents[b].last_used;
  });
  return idle;
}

Decision decide(std::uint64_t demand_bytes, std::uint64_t free_bytes,
                const std::vector<Resident>& residents) {
  if (demand_bytes <= free_bytes) return {Verdict::kGrant, {}};
  const std::uint64_t missing = demand_bytes - free_bytes;

  std::vector<std::size_t> victims;
  std::uint64_t gained = 0;
  for (const std::size_t i : order(residents)) {
    if (gained >= missing) break;
    victims.push_back(i);
    gained += residents[i].bytes;
  }
  if (gained < missing) return {Verdict::kRefuse, {}};

  // A small old one may have been taken before a large one that is enough alone: spare it, the youngest
  // first.
  for (std::size_t n = victims.size(); n-- > 0;) {
    const std::uint64_t bytes = residents[victims[n]].bytes;
    if (gained - bytes < missing) continue;
    gained -= bytes;
    victims.erase(victims.begin() + static_cast<std::ptrdiff_t>(n));
  }
  return {Verdict::kEvict, std::move(victims)};
}

}  // namespace greenroom::core
