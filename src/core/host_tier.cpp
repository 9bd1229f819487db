#include "core/host_tier.h"

#include <algorithm>
#include <utility>

namespace greenroom::core {

std::shared_ptr<HostImage> HostTier::find(const ComponentKey& key) {
  const auto found = images_.find(identity_of(key));
  if (found == images_.end() || found->second.image->is_lost()) return nullptr;
  found->second.last_used = clock_.now();
  return found->second.image;
}

std::vector<ComponentKey> HostTier::candidates(const History& history,
                                               std::vector<Resident>& residents) const {
  std::vector<ComponentKey> keys;
  for (const auto& [identity, stored] : images_) {
    Resident resident;
    resident.bytes = stored.claim.bytes();
    resident.pinned = stored.image.use_count() > 1;  // a load copies from it
    resident.last_used = stored.last_used;
    resident.uses = history.uses(identity, clock_.now());
    resident.reload_seconds = history.seconds_from_disk(identity, resident.bytes);
    residents.push_back(resident);
    keys.push_back(identity);
  }
  return keys;
}

std::optional<Reservation> HostTier::make_room(const ComponentKey& key, std::uint64_t bytes,
                                               const History& history, EvictionPolicy policy,
                                               Images& dropped) {
  std::vector<Resident> residents;
  const auto keys = candidates(history, residents);
  const Decision decision = decide(bytes, ledger_.totals().free(), residents, policy);
  if (decision.verdict == Verdict::kRefuse) return std::nullopt;
  if (policy == EvictionPolicy::kCost && decision.verdict == Verdict::kEvict) {
    // Not at the price of what is worth more.
    Resident self{.bytes = bytes};
    self.uses = std::max(1.0, history.uses(key, clock_.now()));  // it is being loaded to be used
    self.reload_seconds = history.seconds_from_disk(key, bytes);
    double lost = 0;
    for (const std::size_t victim : decision.evict) {
      lost += residents[victim].uses * residents[victim].reload_seconds;
    }
    if (lost > self.uses * self.reload_seconds) return std::nullopt;
  }
  for (const std::size_t victim : decision.evict) take_out(keys[victim], dropped);
  return ledger_.reserve(bytes);
}

void HostTier::keep(const ComponentKey& key, std::shared_ptr<HostImage> image, Reservation claim,
                    Images& dropped) {
  const ComponentKey identity = identity_of(key);
  take_out(identity, dropped);
  claim.become_resident(image->bytes());
  images_.emplace(identity, Stored{std::move(image), std::move(claim), clock_.now()});
}

std::uint64_t HostTier::drop(std::uint64_t bytes, const History& history, EvictionPolicy policy,
                             Images& dropped) {
  std::vector<Resident> residents;
  const auto keys = candidates(history, residents);
  std::uint64_t freed = 0;
  for (const std::size_t victim : order(residents, policy)) {
    if (freed >= bytes) break;
    freed += residents[victim].bytes;
    take_out(keys[victim], dropped);
  }
  return freed;
}

void HostTier::drop_lost(Images& dropped) {
  std::vector<ComponentKey> lost;
  for (const auto& [identity, stored] : images_) {
    if (stored.image->is_lost()) lost.push_back(identity);
  }
  for (const ComponentKey& identity : lost) take_out(identity, dropped);
}

void HostTier::take_out(const ComponentKey& identity, Images& dropped) {
  const auto found = images_.find(identity);
  if (found == images_.end()) return;
  dropped.push_back(std::move(found->second.image));
  images_.erase(found);
}

std::vector<ImageInfo> HostTier::images() const {
  std::vector<ImageInfo> result;
  for (const auto& [identity, stored] : images_) {
    result.push_back({identity.kind, identity.file, stored.claim.bytes(), stored.image.use_count() > 1});
  }
  return result;
}

}  // namespace greenroom::core
