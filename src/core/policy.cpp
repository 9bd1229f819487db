#include "core/policy.h"

#include <algorithm>
#include <compare>

namespace greenroom::core {

std::string_view eviction_policy_name(EvictionPolicy policy) {
  return policy == EvictionPolicy::kCost ? "cost" : "lru";
}

std::optional<EvictionPolicy> parse_eviction_policy(std::string_view name) {
  for (const EvictionPolicy policy : {EvictionPolicy::kCost, EvictionPolicy::kLru}) {
    if (name == eviction_policy_name(policy)) return policy;
  }
  return std::nullopt;
}

double value_per_byte(const Resident& resident) {
  return resident.uses * resident.reload_seconds / static_cast<double>(resident.bytes);
}

std::vector<std::size_t> order(const std::vector<Resident>& residents, EvictionPolicy policy) {
  struct Rank {
    bool young;
    double value;
    base::Clock::TimePoint last_used;
    std::size_t index;
    auto operator<=>(const Rank&) const = default;
  };
  std::vector<Rank> ranks;
  for (std::size_t i = 0; i < residents.size(); ++i) {
    const Resident& resident = residents[i];
    if (resident.pinned || resident.bytes == 0) continue;
    const double value = policy == EvictionPolicy::kCost ? value_per_byte(resident) : 0;
    ranks.push_back({resident.young, value, resident.last_used, i});
  }
  std::sort(ranks.begin(), ranks.end(), [](const Rank& a, const Rank& b) { return (a <=> b) < 0; });
  std::vector<std::size_t> result;
  result.reserve(ranks.size());
  for (const Rank& rank : ranks) result.push_back(rank.index);
  return result;
}

Decision decide(std::uint64_t demand_bytes, std::uint64_t free_bytes, const std::vector<Resident>& residents,
                EvictionPolicy policy) {
  if (demand_bytes <= free_bytes) return {Verdict::kGrant, {}};
  const std::uint64_t missing = demand_bytes - free_bytes;

  std::vector<std::size_t> victims;
  std::uint64_t gained = 0;
  for (const std::size_t i : order(residents, policy)) {
    if (gained >= missing) break;
    victims.push_back(i);
    gained += residents[i].bytes;
  }
  if (gained < missing) return {Verdict::kRefuse, {}};

  // A small one may have been taken before a large one that is enough alone: spare it, the most valuable
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
