// What is remembered of components after they have gone: how often they were used and how long it took to
// bring them in. Feeds the eviction policy and the plan. Internal to core; the Manager guards it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/component.h"

namespace greenroom::core {

// One component's measured loads, as plain values that can be kept across restarts.
struct LearntLoad {
  std::string kind;
  std::string variant;
  std::string file;
  std::uint64_t file_bytes = 0;
  std::int64_t modified_ns = 0;
  double uses = 0;          // decayed
  double disk_seconds = 0;  // 0: never measured
  double host_seconds = 0;
};

// How often something was used, older uses counting less: halved every half-life.
class UseCount {
 public:
  void add(base::Clock::TimePoint now, double uses = 1) {
    if (uses_ == 0 || now - since_ > std::chrono::seconds(1)) {  // within a second nothing fades
      uses_ = at(now);
      since_ = now;
    }
    uses_ += uses;
  }
  double at(base::Clock::TimePoint now) const;

  static constexpr std::chrono::minutes kHalfLife{20};

 private:
  double uses_ = 0;
  base::Clock::TimePoint since_;
};

// Not thread-safe.
class History {
 public:
  // Shared with the component while it is resident, so that a use costs no look-up.
  std::shared_ptr<UseCount> counter(const ComponentKey& key, base::Clock::TimePoint now);
  // The component was there after `seconds`.
  void loaded(const ComponentKey& key, std::uint64_t bytes, bool from_image, double seconds,
              base::Clock::TimePoint now);

  double uses(const ComponentKey& key, base::Clock::TimePoint now) const;
  // As measured for this component; else from the rates of others; else from a guess.
  double seconds_from_disk(const ComponentKey& key, std::uint64_t bytes) const;
  double seconds_from_host(const ComponentKey& key, std::uint64_t bytes) const;

  std::vector<LearntLoad> learnt(base::Clock::TimePoint now) const;
  void learn(const std::vector<LearntLoad>& loads, base::Clock::TimePoint now);

  static constexpr std::size_t kMost = 4096;  // components remembered; the longest unused go first

 private:
  struct Entry {
    std::shared_ptr<UseCount> uses = std::make_shared<UseCount>();
    double disk_seconds = 0;
    double host_seconds = 0;
    base::Clock::TimePoint last_used;
  };
  Entry& entry(const ComponentKey& key, base::Clock::TimePoint now);
  static void blend(double& old, double measured);

  std::map<ComponentKey, Entry> entries_;  // by identity
  double disk_seconds_per_byte_ = 1e-9;
  double host_seconds_per_byte_ = 1e-10;
};

}  // namespace greenroom::core
