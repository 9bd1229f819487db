#include "core/decision_log.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace greenroom::core {
namespace {

bool is_about(const DecisionRecord& record, std::string_view about) {
  const auto names = [&](const std::string& text) { return text.find(about) != std::string::npos; };
  return names(record.purpose) || std::any_of(record.unloaded.begin(), record.unloaded.end(), names) ||
         std::any_of(record.candidates.begin(), record.candidates.end(),
                     [&](const auto& candidate) { return candidate.evicted && names(candidate.component); });
}

std::string describe(const DecisionCandidate& candidate) {
  return fmt::format("{} {}, idle {:.0f} s, {:.1f} recent uses, {:.2f} s to bring back{}",
                     candidate.component, base::format_bytes(candidate.bytes), candidate.idle_seconds,
                     candidate.uses, candidate.reload_seconds, candidate.young ? ", only just loaded" : "");
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGrant:
      return "grant";
    case Verdict::kEvict:
      return "evict";
    case Verdict::kRefuse:
      break;
  }
  return "refuse";
}

std::string explain(const DecisionRecord& record, const std::string& component) {
  const auto victim = std::find_if(
      record.candidates.begin(), record.candidates.end(),
      [&](const auto& candidate) { return candidate.evicted && candidate.component == component; });
  if (victim == record.candidates.end()) return "";
  std::string text = fmt::format(
      "{} went: {} needed {} when {} of {} was free{}.", describe(*victim), record.purpose,
      base::format_bytes(record.needed_bytes), base::format_bytes(record.free_bytes),
      base::format_bytes(record.capacity_bytes), record.bound_by.empty() ? "" : " (" + record.bound_by + ")");
  const auto spared = std::find_if(record.candidates.begin(), record.candidates.end(),
                                   [](const auto& candidate) { return !candidate.evicted; });
  if (spared != record.candidates.end()) {
    text += fmt::format(" By policy '{}' the next to go would have been {}.",
                        eviction_policy_name(record.policy), describe(*spared));
  }
  return text;
}

void DecisionLog::add(DecisionRecord record) {
  if (most_ == 0) return;
  if (records_.size() == most_) records_.pop_front();
  records_.push_back(std::move(record));
}

std::vector<DecisionRecord> DecisionLog::find(std::string_view about, std::size_t most) const {
  std::vector<DecisionRecord> result;
  for (auto record = records_.rbegin(); record != records_.rend() && result.size() < most; ++record) {
    if (about.empty() || is_about(*record, about)) result.push_back(*record);
  }
  return result;
}

}  // namespace greenroom::core
