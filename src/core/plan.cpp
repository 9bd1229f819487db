#include "core/plan.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>

namespace greenroom::core {

std::string_view source_name(Source source) {
  switch (source) {
    case Source::kResident:
      return "resident";
    case Source::kHost:
      return "host";
    case Source::kDisk:
      break;
  }
  return "disk";
}

std::string what_changed(const Plan& said, const std::vector<std::string>& evicted) {
  std::vector<std::string> planned;
  for (const PlanVictim& victim : said.evict) planned.push_back(victim.component);
  std::vector<std::string> done = evicted;
  std::sort(planned.begin(), planned.end());
  std::sort(done.begin(), done.end());
  std::vector<std::string> spared;
  std::vector<std::string> added;
  std::set_difference(planned.begin(), planned.end(), done.begin(), done.end(), std::back_inserter(spared));
  std::set_difference(done.begin(), done.end(), planned.begin(), planned.end(), std::back_inserter(added));
  std::vector<std::string> changes;
  if (!said.fits) changes.emplace_back("it fitted after all");
  if (!added.empty()) changes.push_back(fmt::format("also evicted: {}", fmt::join(added, ", ")));
  if (!spared.empty()) changes.push_back(fmt::format("not evicted after all: {}", fmt::join(spared, ", ")));
  return fmt::format("{}", fmt::join(changes, "; "));
}

}  // namespace greenroom::core
