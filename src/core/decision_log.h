// Why the manager did what it did: its latest decisions about room, each with what it knew and chose from.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/device_id.h"
#include "core/policy.h"

namespace greenroom::core {

// An idle component that could have gone, as it was at the time.
struct DecisionCandidate {
  std::string component;  // "contentvec (hubert_base.pt)"
  std::uint64_t bytes = 0;
  double idle_seconds = 0;
  double uses = 0;  // recent ones, older ones counting less
  double reload_seconds = 0;
  bool young = false;  // has not had its least time of residence
  bool evicted = false;
};

struct DecisionRecord {
  std::uint64_t sequence = 0;  // in the order of the manager's events
  std::chrono::system_clock::time_point time;
  base::DeviceId device;
  std::string purpose;  // "loading 'bob'"
  std::uint64_t needed_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t capacity_bytes = 0;
  std::string bound_by;  // what made the capacity less than the budget; empty: nothing
  Verdict verdict = Verdict::kGrant;
  EvictionPolicy policy = EvictionPolicy::kCost;
  std::vector<DecisionCandidate> candidates;  // in the order in which they would go; empty for a grant
  std::vector<std::string> unloaded;          // models that lost a component
};

// "evict" and so on.
std::string_view verdict_name(Verdict verdict);

// One sentence: "voice (a.pt) went for loading 'bob', which needed 600 B when 400 B of 1000 B was free: …".
// Empty when the record does not evict that component.
std::string explain(const DecisionRecord& record, const std::string& component);

// A ring: the oldest go first. Not thread-safe; guarded by the Manager's lock.
class DecisionLog {
 public:
  explicit DecisionLog(std::size_t most) : most_(most) {}

  void add(DecisionRecord record);
  // The latest first. `about`: only those that evicted a component, unloaded a model or served a purpose
  // whose name contains it; empty: all.
  std::vector<DecisionRecord> find(std::string_view about, std::size_t most) const;

 private:
  std::size_t most_;
  std::deque<DecisionRecord> records_;
};

}  // namespace greenroom::core
