// How much of a device may be filled. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/host.h"

namespace greenroom::core {

struct CapacityLimits {
  std::uint64_t budget = 0;    // what the user set, or all the device has
  double max_usage_share = 1;  // of the device's total
};

struct Capacity {
  std::uint64_t bytes = 0;
  std::string bound_by;  // "" when the budget binds, else a phrase for people
};

// What of a reading other accounts explain.
struct KnownBytes {
  std::uint64_t kept_elsewhere = 0;  // in `ours`, paid for by another account (host images, in main memory)
  std::uint64_t claimed = 0;         // by the device's ledger
};

// The least of the budget, the share of the total, both less the device's overhead, and what the device
// really has free beside what is ours. Of ours that does not count which no claim explains and which is stuck
// in pieces. A reading can only lower the capacity.
Capacity capacity_of(const CapacityLimits& limits, const std::optional<DeviceReading>& reading,
                     const KnownBytes& known = {});

// What a free has to bring back, taken just before it.
struct ReturnBaseline {
  std::uint64_t unexplained = 0;  // of ours, what no claim explains: pools and contexts
  std::uint64_t foreign = 0;      // neither free nor ours
};
ReturnBaseline return_baseline(const DeviceReading& before, std::uint64_t claimed);

// How much of `freed` bytes has not come back. Compares with what should be free, not with a change, so a
// device that was quick is never waited for. `claimed`: all claims but those of the freed bytes.
std::uint64_t not_returned(const ReturnBaseline& baseline, const DeviceReading& now, std::uint64_t claimed,
                           std::uint64_t freed);

}  // namespace greenroom::core
