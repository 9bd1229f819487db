// Memory ledger: who holds how many bytes on one device, and who may take more.
//
// Every byte a model may occupy is claimed here before it is allocated, so the sum of the claims, not the
// driver's free-memory figure, decides admission.
#pragma once

#include <cstdint>
#include <optional>

#include "base/mutex.h"

namespace greenroom::core {

class Ledger;

// A claim on bytes of one device, given back on destruction. Starts as `reserved` (something is about to be
// read) or `workspace` (activations of a run); a reservation becomes `resident` when the weights are there.
// Move-only. Must not outlive its Ledger. Not thread-safe; the Ledger behind it is.
class Reservation {
 public:
  Reservation() = default;  // claims nothing
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation() {
    if (ledger_ != nullptr) release();
  }

  std::uint64_t bytes() const { return bytes_; }

  // Gives back all but `bytes`; for a load that turned out smaller than planned. Asking for more changes
  // nothing.
  void shrink_to(std::uint64_t bytes);

  // The weights are there and occupy `actual_bytes`: from now on that is what is claimed, even when it is
  // more than was reserved (the ledger tells the truth, and may then stand above its capacity). REQUIRES:
  // made by Ledger::reserve.
  void become_resident(std::uint64_t actual_bytes);

  // Gives everything back now.
  void release();

 private:
  friend class Ledger;
  enum class Purpose { kReserved, kResident, kWorkspace, kCache };
  Reservation(Ledger& ledger, Purpose purpose, std::uint64_t bytes);

  Ledger* ledger_ = nullptr;  // null once moved from or released
  Purpose purpose_ = Purpose::kReserved;
  std::uint64_t bytes_ = 0;
};

// All in bytes.
struct LedgerTotals {
  std::uint64_t capacity = 0;
  std::uint64_t reserved = 0;   // for loads under way
  std::uint64_t resident = 0;   // weights
  std::uint64_t workspace = 0;  // activations of running inferences
  std::uint64_t cache = 0;      // of others, dropped when a model needs the room

  std::uint64_t used() const { return reserved + resident + workspace + cache; }
  std::uint64_t free() const { return used() < capacity ? capacity - used() : 0; }
};

// Thread-safe.
class Ledger {
 public:
  // `capacity_bytes` is the budget: how much of the device is ours to fill.
  explicit Ledger(std::uint64_t capacity_bytes);
  ~Ledger();  // REQUIRES: every Reservation is gone
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Return nullopt when the request does not fit; never block, never evict. Deciding what to do about that is
  // policy.h's job.
  std::optional<Reservation> reserve(std::uint64_t bytes);
  std::optional<Reservation> reserve_workspace(std::uint64_t bytes);
  std::optional<Reservation> reserve_cache(std::uint64_t bytes);

  LedgerTotals totals() const;

 private:
  friend class Reservation;
  std::optional<Reservation> claim(Reservation::Purpose purpose, std::uint64_t bytes);
  void change(Reservation::Purpose from, std::uint64_t old_bytes, Reservation::Purpose to,
              std::uint64_t new_bytes);
  std::uint64_t& account(Reservation::Purpose purpose) REQUIRES_LOCK(mutex_);

  mutable base::Mutex mutex_;
  LedgerTotals totals_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::core
