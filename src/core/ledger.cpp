#include "core/ledger.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace greenroom::core {

Reservation::Reservation(Ledger& ledger, Purpose purpose, std::uint64_t bytes)
    : ledger_(&ledger), purpose_(purpose), bytes_(bytes) {}

Reservation::Reservation(Reservation&& other) noexcept
    : ledger_(std::exchange(other.ledger_, nullptr)),
      purpose_(other.purpose_),
      bytes_(std::exchange(other.bytes_, 0)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  release();
  ledger_ = std::exchange(other.ledger_, nullptr);
  purpose_ = other.purpose_;
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

void Reservation::shrink_to(std::uint64_t bytes) {
  if (ledger_ == nullptr || bytes >= bytes_) return;
  ledger_->change(purpose_, bytes_, purpose_, bytes);
  bytes_ = bytes;
}

void Reservation::become_resident(std::uint64_t actual_bytes) {
  assert(ledger_ != nullptr && purpose_ == Purpose::kReserved);
  ledger_->change(purpose_, bytes_, Purpose::kResident, actual_bytes);
  purpose_ = Purpose::kResident;
  bytes_ = actual_bytes;
}

void Reservation::release() {
  if (ledger_ == nullptr) return;
  ledger_->change(purpose_, bytes_, purpose_, 0);
  ledger_ = nullptr;
  bytes_ = 0;
}

Ledger::Ledger(std::uint64_t capacity_bytes) {
  totals_.capacity = capacity_bytes;
}

Ledger::~Ledger() {
  assert(totals().used() == 0);
}

std::optional<Reservation> Ledger::reserve(std::uint64_t bytes) {
  return claim(Reservation::Purpose::kReserved, bytes);
}

std::optional<Reservation> Ledger::reserve_workspace(std::uint64_t bytes) {
  return claim(Reservation::Purpose::kWorkspace, bytes);
}

std::optional<Reservation> Ledger::reserve_cache(std::uint64_t bytes) {
  return claim(Reservation::Purpose::kCache, bytes);
}

std::optional<Reservation> Ledger::claim(Reservation::Purpose purpose, std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  if (bytes > totals_.free()) return std::nullopt;
  account(purpose) += bytes;
  return Reservation(*this, purpose, bytes);
}

void Ledger::change(Reservation::Purpose from, std::uint64_t old_bytes, Reservation::Purpose to,
                    std::uint64_t new_bytes) {
  base::MutexLock lock(mutex_);
  assert(account(from) >= old_bytes);
  account(from) -= old_bytes;
  account(to) += new_bytes;
}

LedgerTotals Ledger::totals() const {
  base::MutexLock lock(mutex_);
  return totals_;
}

std::uint64_t& Ledger::account(Reservation::Purpose purpose) {
  switch (purpose) {
    case Reservation::Purpose::kReserved:
      return totals_.reserved;
    case Reservation::Purpose::kResident:
      return totals_.resident;
    case Reservation::Purpose::kCache:
      return totals_.cache;
    case Reservation::Purpose::kWorkspace:
      break;
  }
  return totals_.workspace;
}

}  // namespace greenroom::core
