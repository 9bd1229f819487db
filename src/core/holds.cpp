#include "core/holds.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <utility>

#include "base/error.h"

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;
using Seconds = std::chrono::duration<double>;

// Longer ones would overflow the clock; and nobody lives that long.
constexpr std::chrono::hours kLongestLifetime{24 * 365 * 10};

Error not_found(std::uint64_t id) {
  return {ErrorCode::kNotFound, fmt::format("there is no hold {}: it was released, its time was up, or its "
                                            "owner ended; take a new one",
                                            id)};
}

}  // namespace

Holds::Holds(Manager& manager, const base::Clock& clock, ProcessProbe probe)
    : manager_(manager), clock_(clock), probe_(std::move(probe)) {}

std::uint64_t Holds::take(const HoldRequest& request) {
  const auto invalid = [](const std::string& message) {
    return Error(ErrorCode::kInvalidArgument, "a hold: " + message);
  };
  if (request.owner.empty()) throw invalid("it needs an owner");
  if (request.members.empty()) throw invalid("it needs at least one model");
  if (request.lifetime && (request.lifetime->count() <= 0 || *request.lifetime > kLongestLifetime)) {
    throw invalid(fmt::format("its lifetime is {} s; allowed is more than 0 and at most ten years",
                              Seconds(*request.lifetime).count()));
  }
  Hold hold{request.owner, request.pid};
  if (request.pid != 0) {
    const auto start = probe_(request.pid);
    if (!start) throw invalid(fmt::format("there is no process {} to own it", request.pid));
    hold.process_start = *start;
  }
  hold.models = manager_.load_group("hold of " + request.owner, request.members);
  hold.since = clock_.now();
  hold.lifetime = request.lifetime;
  if (hold.lifetime) hold.expires = hold.since + *hold.lifetime;
  MutexLock lock(mutex_);
  holds_.emplace(++last_id_, std::move(hold));
  return last_id_;
}

void Holds::heartbeat(std::uint64_t id) {
  MutexLock lock(mutex_);
  const auto found = holds_.find(id);
  const auto now = clock_.now();
  if (found == holds_.end() || found->second.is_over(now)) throw not_found(id);
  if (found->second.lifetime) found->second.expires = now + *found->second.lifetime;
}

Holds::Hold Holds::take_out(std::uint64_t id) {
  MutexLock lock(mutex_);
  auto node = holds_.extract(id);
  if (node.empty()) throw not_found(id);
  return std::move(node.mapped());
}

void Holds::release(std::uint64_t id) {
  const Hold ended = take_out(id);  // its destructor acts outside the lock
}

std::vector<HoldInfo> Holds::list() const {
  MutexLock lock(mutex_);
  const auto now = clock_.now();
  std::vector<HoldInfo> result;
  for (const auto& [id, hold] : holds_) {
    if (hold.is_over(now)) continue;
    HoldInfo info{.id = id, .owner = hold.owner, .pid = hold.pid};
    for (const ModelHold& model : hold.models) {
      if (model.is_effective()) info.models.push_back(model.model_id());
    }
    info.age_seconds = Seconds(now - hold.since).count();
    if (hold.lifetime) info.remaining_seconds = Seconds(hold.expires - now).count();
    result.push_back(std::move(info));
  }
  return result;
}

std::size_t Holds::sweep() {
  std::map<std::uint64_t, std::pair<int, std::uint64_t>> owners;  // hold -> process
  {
    MutexLock lock(mutex_);
    for (const auto& [id, hold] : holds_) {
      if (hold.pid != 0) owners[id] = {hold.pid, hold.process_start};
    }
  }
  std::map<std::uint64_t, std::string> ending;  // hold -> cause
  for (const auto& [id, process] : owners) {
    if (probe_(process.first) != process.second) {
      ending[id] = fmt::format("its owner, process {}, ended", process.first);
    }
  }
  std::vector<std::pair<Hold, std::string>> ended;
  {
    MutexLock lock(mutex_);
    const auto now = clock_.now();
    for (const auto& [id, hold] : holds_) {
      if (hold.is_over(now)) {
        ending[id] = fmt::format("no heartbeat for {:.0f} s", Seconds(*hold.lifetime).count());
      }
    }
    for (const auto& [id, cause] : ending) {
      auto node = holds_.extract(id);
      if (!node.empty()) ended.emplace_back(std::move(node.mapped()), cause);
    }
  }
  for (const auto& [hold, cause] : ended) publish_end(hold, cause);
  return ended.size();
}

void Holds::publish_end(const Hold& hold, const std::string& cause) {
  for (const ModelHold& model : hold.models) {
    if (!model.is_effective()) continue;
    manager_.publish({.type = EventType::kHoldExpired,
                      .model_id = model.model_id(),
                      .cause = fmt::format("the hold of {}: {}", hold.owner, cause)});
  }
}

}  // namespace greenroom::core
