// The tier between device and disk: images of weights in host memory, from which a component comes back to a
// device without its file being read. Internal to core; the Manager guards it with its lock.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "core/component.h"
#include "core/history.h"
#include "core/ledger.h"
#include "core/model.h"
#include "core/policy.h"
#include "core/snapshot.h"

namespace greenroom::core {

// Not thread-safe.
class HostTier {
 public:
  using Images = std::vector<std::shared_ptr<HostImage>>;

  // Both are borrowed.
  HostTier(Ledger& ledger, const base::Clock& clock) : ledger_(ledger), clock_(clock) {}

  // The image of that component, whatever device it is wanted on; counts as a use. Null when there is none.
  std::shared_ptr<HostImage> find(const ComponentKey& key);
  bool has(const ComponentKey& key) const { return images_.count(identity_of(key)) != 0; }

  // Claims room for an image of `key`, dropping less valuable ones (into `dropped`, to be destroyed outside
  // the lock). Nullopt when it does not fit: then a load keeps no image.
  std::optional<Reservation> make_room(const ComponentKey& key, std::uint64_t bytes, const History& history,
                                       EvictionPolicy policy, Images& dropped);
  // `image` is complete and takes the place of an older one.
  void keep(const ComponentKey& key, std::shared_ptr<HostImage> image, Reservation claim, Images& dropped);
  // Drops images that nothing copies from, the least valuable first, until `bytes` are free. Returns how much
  // that was.
  std::uint64_t drop(std::uint64_t bytes, const History& history, EvictionPolicy policy, Images& dropped);

  // Takes out those that went with the process that held them.
  void drop_lost(Images& dropped);

  std::vector<ImageInfo> images() const;
  void clear() { images_.clear(); }

 private:
  struct Stored {
    std::shared_ptr<HostImage> image;
    Reservation claim;
    base::Clock::TimePoint last_used;
  };
  void take_out(const ComponentKey& identity, Images& dropped);
  std::vector<ComponentKey> candidates(const History& history, std::vector<Resident>& residents) const;

  Ledger& ledger_;
  const base::Clock& clock_;
  std::map<ComponentKey, Stored> images_;  // by identity: the key without its device
};

}  // namespace greenroom::core
