// The text of "it does not fit": what was needed, what is free, who holds the rest, and what can be done.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/device_id.h"
#include "core/ledger.h"
#include "core/snapshot.h"

namespace greenroom::core {

struct Refusal {
  std::string purpose;  // "loading 'alice'", "a lease of 'alice'"
  base::DeviceId device;
  std::uint64_t needed_bytes = 0;
  std::vector<std::pair<std::string, std::uint64_t>> parts;  // what it is made of: label, bytes; may be empty
  LedgerTotals totals;
  std::string bound_by;             // why the capacity is less than the budget; empty when it is not
  std::vector<ComponentInfo> held;  // what is on the device
};

std::string describe(const Refusal& refusal);

}  // namespace greenroom::core
