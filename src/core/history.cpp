#include "core/history.h"

#include <algorithm>
#include <cmath>

namespace greenroom::core {
namespace {

// Of a new measurement in the running mean.
constexpr double kNewShare = 0.3;
// Below this a load says more about opening files than about bytes.
constexpr std::uint64_t kTellingBytes = 1 << 20;

}  // namespace

double UseCount::at(base::Clock::TimePoint now) const {
  if (uses_ == 0) return 0;
  const std::chrono::duration<double> age = now - since_;
  const std::chrono::duration<double> half_life = kHalfLife;
  return uses_ * std::exp2(-age / half_life);
}

void History::blend(double& old, double measured) {
  old = old == 0 ? measured : old + kNewShare * (measured - old);
}

History::Entry& History::entry(const ComponentKey& key, base::Clock::TimePoint now) {
  Entry& result = entries_[identity_of(key)];
  result.last_used = now;
  if (entries_.size() > kMost) {
    const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
      return a.second.last_used < b.second.last_used;
    });
    if (&oldest->second != &result) entries_.erase(oldest);
  }
  return result;
}

std::shared_ptr<UseCount> History::counter(const ComponentKey& key, base::Clock::TimePoint now) {
  return entry(key, now).uses;
}

void History::loaded(const ComponentKey& key, std::uint64_t bytes, bool from_image, double seconds,
                     base::Clock::TimePoint now) {
  Entry& known = entry(key, now);
  // What was just brought in is about to be used.
  if (const double uses = known.uses->at(now); uses < 1) known.uses->add(now, 1 - uses);
  blend(from_image ? known.host_seconds : known.disk_seconds, seconds);
  if (bytes < kTellingBytes) return;
  blend(from_image ? host_seconds_per_byte_ : disk_seconds_per_byte_, seconds / static_cast<double>(bytes));
}

double History::uses(const ComponentKey& key, base::Clock::TimePoint now) const {
  const auto found = entries_.find(identity_of(key));
  return found == entries_.end() ? 0 : found->second.uses->at(now);
}

double History::seconds_from_disk(const ComponentKey& key, std::uint64_t bytes) const {
  const auto found = entries_.find(identity_of(key));
  if (found != entries_.end() && found->second.disk_seconds > 0) return found->second.disk_seconds;
  return disk_seconds_per_byte_ * static_cast<double>(bytes);
}

double History::seconds_from_host(const ComponentKey& key, std::uint64_t bytes) const {
  const auto found = entries_.find(identity_of(key));
  if (found != entries_.end() && found->second.host_seconds > 0) return found->second.host_seconds;
  return host_seconds_per_byte_ * static_cast<double>(bytes);
}

std::vector<LearntLoad> History::learnt(base::Clock::TimePoint now) const {
  std::vector<LearntLoad> result;
  for (const auto& [key, entry] : entries_) {
    result.push_back({key.kind, key.variant, key.file.string(), key.file_bytes, key.modified_ns,
                      entry.uses->at(now), entry.disk_seconds, entry.host_seconds});
  }
  return result;
}

void History::learn(const std::vector<LearntLoad>& loads, base::Clock::TimePoint now) {
  for (const LearntLoad& load : loads) {
    const bool is_sound = std::isfinite(load.uses) && load.uses >= 0 && std::isfinite(load.disk_seconds) &&
                          load.disk_seconds >= 0 && std::isfinite(load.host_seconds) &&
                          load.host_seconds >= 0;
    if (!is_sound) continue;  // from a file: taken or left, never believed
    Entry& known = entry({{}, load.kind, load.variant, load.file, load.file_bytes, load.modified_ns}, now);
    known.uses->add(now, load.uses);
    known.disk_seconds = load.disk_seconds;
    known.host_seconds = load.host_seconds;
  }
}

}  // namespace greenroom::core
