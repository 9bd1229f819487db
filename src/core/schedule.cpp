#include "core/schedule.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace greenroom::core {

using TimePoint = base::Clock::TimePoint;

void Schedule::add(const WaitingRequest& request) {
  states_.try_emplace(request.model, ModelState::kAbsent);
  waiting_.push_back(request);
}

void Schedule::remove(std::uint64_t id) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const WaitingRequest& request) { return request.id == id; });
  if (found != waiting_.end()) waiting_.erase(found);
}

void Schedule::set_state(const std::string& model, ModelState state) {
  const auto found = states_.find(model);
  if (found != states_.end()) {
    found->second = state;
  } else if (state != ModelState::kAbsent) {
    states_.emplace(model, state);
  }
}

Schedule::ModelState Schedule::state(const std::string& model) const {
  const auto found = states_.find(model);
  return found == states_.end() ? ModelState::kAbsent : found->second;
}

double Schedule::pass(const std::string& model) const {
  const auto found = passes_.find(model);
  return found == passes_.end() ? virtual_time_ : std::max(found->second, virtual_time_);
}

bool Schedule::before(const WaitingRequest& a, const WaitingRequest& b) const {
  if (a.priority != b.priority) return a.priority > b.priority;
  if (a.model != b.model) {
    const double pass_a = pass(a.model);
    const double pass_b = pass(b.model);
    if (pass_a != pass_b) return pass_a < pass_b;
  }
  return std::tie(a.arrival, a.id) < std::tie(b.arrival, b.id);
}

template <typename May>
const WaitingRequest* Schedule::first(const May& may) const {
  const WaitingRequest* best = nullptr;
  for (const WaitingRequest& request : waiting_) {
    if (may(request) && (best == nullptr || before(request, *best))) best = &request;
  }
  return best;
}

template <typename May>
const WaitingRequest* Schedule::oldest_overdue(TimePoint now, const May& may) const {
  if (was_overdue_) return nullptr;
  for (const WaitingRequest& request : waiting_) {
    if (now - request.arrival < options_.longest_wait) return nullptr;  // by arrival: the rest is younger
    if (may(request)) return &request;
  }
  return nullptr;
}

Schedule::Choice Schedule::choose(TimePoint now) const {
  const auto is_ready = [&](const WaitingRequest& request) {
    return state(request.model) == ModelState::kReady;
  };
  const auto is_not_loading = [&](const WaitingRequest& request) {
    return state(request.model) != ModelState::kLoading;
  };
  const auto id_of = [](const WaitingRequest* request) {
    return request == nullptr ? std::nullopt : std::optional(request->id);
  };
  const WaitingRequest* overdue = oldest_overdue(now, is_not_loading);
  const WaitingRequest* next = overdue != nullptr ? overdue : first(is_not_loading);
  if (next == nullptr) return {};
  if (is_ready(*next)) return {std::nullopt, next->id};
  const WaitingRequest* ready = oldest_overdue(now, is_ready);
  if (ready == nullptr) ready = first(is_ready);
  const bool has_waited = overdue != nullptr || now - next->arrival >= options_.group_wait;
  const bool may_swap = !last_swap_ || now - *last_swap_ >= options_.group_wait;
  const bool swaps = ready == nullptr || next->priority > ready->priority || (has_waited && may_swap);
  return {swaps ? std::optional(next->id) : std::nullopt, id_of(ready)};
}

void Schedule::take(std::uint64_t id, TimePoint now) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const WaitingRequest& request) { return request.id == id; });
  if (found == waiting_.end()) return;
  const auto charged = passes_.try_emplace(found->model, 0).first;  // from here on nothing needs memory
  const WaitingRequest request = std::move(*found);
  waiting_.erase(found);
  was_overdue_ = !was_overdue_ && now - request.arrival >= options_.longest_wait;
  virtual_time_ = pass(request.model);
  charged->second = virtual_time_ + request.cost;
  std::erase_if(passes_, [&](const auto& entry) { return entry.second <= virtual_time_; });
  const auto is_asked_for = [&](const std::string& model) {
    return std::any_of(waiting_.begin(), waiting_.end(),
                       [&](const WaitingRequest& other) { return other.model == model; });
  };
  std::erase_if(
      states_, [&](const auto& entry) { return entry.first != request.model && !is_asked_for(entry.first); });
}

std::vector<std::uint64_t> Schedule::absent_heads() const {
  std::map<std::string, const WaitingRequest*> heads;
  for (const WaitingRequest& request : waiting_) {
    if (state(request.model) != ModelState::kAbsent) continue;
    const WaitingRequest*& head = heads[request.model];
    if (head == nullptr || before(request, *head)) head = &request;
  }
  std::vector<const WaitingRequest*> order;
  order.reserve(heads.size());
  for (const auto& [model, head] : heads) order.push_back(head);
  std::sort(order.begin(), order.end(), [&](const auto* a, const auto* b) { return before(*a, *b); });
  std::vector<std::uint64_t> ids;
  ids.reserve(order.size());
  for (const WaitingRequest* head : order) ids.push_back(head->id);
  return ids;
}

}  // namespace greenroom::core
