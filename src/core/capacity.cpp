#include "core/capacity.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/bytes.h"

namespace greenroom::core {
namespace {

std::uint64_t less(std::uint64_t a, std::uint64_t b) {
  return a > b ? a - b : 0;
}

}  // namespace

Capacity capacity_of(const CapacityLimits& limits, const std::optional<DeviceReading>& reading,
                     const KnownBytes& known) {
  Capacity capacity{limits.budget, ""};
  if (!reading) return capacity;
  const auto share = static_cast<std::uint64_t>(static_cast<double>(reading->total) * limits.max_usage_share);
  if (share < capacity.bytes) {
    capacity = {share, fmt::format("{:.0f} % of the device's {} may be used", limits.max_usage_share * 100,
                                   base::format_bytes(reading->total))};
  }
  if (const std::uint64_t overhead = reading->overhead + reading->overhead_to_come; overhead > 0) {
    capacity.bytes = less(capacity.bytes, overhead);
    capacity.bound_by += fmt::format("{}{} of the budget goes to the device's context",
                                     capacity.bound_by.empty() ? "" : ", and ", base::format_bytes(overhead));
  }
  const std::uint64_t ours = less(reading->ours.value_or(0), known.kept_elsewhere);
  const std::uint64_t unusable = std::min(reading->stuck, less(ours, known.claimed));
  const std::uint64_t there = less(reading->free + ours, unusable + reading->overhead_to_come);
  if (there < capacity.bytes) {
    capacity = {there, fmt::format("the device reports only {} free, other programs considered",
                                   base::format_bytes(reading->free))};
  }
  return capacity;
}

ReturnBaseline return_baseline(const DeviceReading& before, std::uint64_t claimed) {
  const std::uint64_t ours = before.ours.value_or(0);
  return {less(ours, claimed), less(before.total, before.free + ours)};
}

std::uint64_t not_returned(const ReturnBaseline& baseline, const DeviceReading& now, std::uint64_t claimed,
                           std::uint64_t freed) {
  const std::uint64_t still_ours = less(now.ours.value_or(0), claimed + baseline.unexplained);
  const std::uint64_t foreign = less(now.total, now.free + now.ours.value_or(0));
  return std::min(freed, still_ours + less(foreign, baseline.foreign));
}

}  // namespace greenroom::core
