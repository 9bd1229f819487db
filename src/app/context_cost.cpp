#include "app/context_cost.h"

#include <algorithm>

namespace greenroom::app {
namespace {

std::uint64_t less(std::uint64_t a, std::uint64_t b) {
  return a > b ? a - b : 0;
}

}  // namespace

bool ContextCost::is_due() const {
  const base::MutexLock lock(mutex_);
  return !measured_at_ || clock_.now() - *measured_at_ >= kMeasureEvery;
}

void ContextCost::measure(std::optional<std::uint64_t> by_driver, std::uint64_t held) {
  const base::MutexLock lock(mutex_);
  measured_at_ = clock_.now();
  is_told_ = by_driver.has_value();
  if (by_driver) now_ = std::min(less(*by_driver, held), kLargest);
  most_ = std::max(most_, now_);
}

ContextCost::Bytes ContextCost::look(std::uint64_t free, std::uint64_t held) {
  const base::MutexLock lock(mutex_);
  const bool begins = held > 0 && !is_used_;
  const bool ends = held == 0 && is_used_;
  is_used_ = held > 0;
  if (begins || ends) measured_at_.reset();  // it has just changed: ask at the next reading
  if (!is_told_) {
    if (held == 0) {
      free_before_ = free;
      now_ = 0;
    } else if (begins && free_before_) {
      now_ = std::min(less(*free_before_, free + held), kLargest);
      most_ = std::max(most_, now_);
    }
  }
  const std::uint64_t expected = most_ > 0 ? most_ : (held > 0 ? now_ : kAssumed);
  return {now_, less(expected, now_)};
}

}  // namespace greenroom::app
