// What a load would do, asked before it is done. Values only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/device_id.h"
#include "core/model.h"

namespace greenroom::core {

struct PlanItem {
  std::string id;
  std::shared_ptr<const Model> model;
};

enum class Source {
  kResident,  // on the device already, or being read by somebody
  kHost,      // an image in host memory
  kDisk,
};
std::string_view source_name(Source source);  // "resident", "host", "disk"

struct PlanPart {
  std::string component;
  std::uint64_t bytes = 0;
  Source source = Source::kDisk;
  double seconds = 0;  // expected
};

struct PlanVictim {
  std::string component;
  std::uint64_t bytes = 0;
  std::vector<std::string> models;  // that would no longer be loaded
  std::string reason;               // "idle 41 s, 1.0 recent uses, 0.20 s to bring back"
};

struct Plan {
  std::string purpose;  // "loading 'bob'"
  base::DeviceId device;
  bool fits = false;
  std::string problem;  // why not; empty when it fits
  std::uint64_t needed_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t capacity_bytes = 0;
  std::string bound_by;               // what made the capacity less than the budget; empty: nothing
  std::uint64_t remaining_bytes = 0;  // free once it is done
  double seconds = 0;                 // expected, the parts one after the other
  std::vector<PlanPart> parts;
  std::vector<PlanVictim> evict;
};

// What differs between what was said and what was done; empty when nothing does.
std::string what_changed(const Plan& said, const std::vector<std::string>& evicted);

}  // namespace greenroom::core
