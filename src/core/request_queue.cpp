#include "core/request_queue.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cassert>
#include <new>
#include <set>
#include <utility>

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;
using Seconds = std::chrono::duration<double>;
using TimePoint = base::Clock::TimePoint;

// How soon a request that waits sees a cancellation that did not come through cancel().
constexpr std::chrono::milliseconds kCancelCheck{50};
// A model that is evicted each time between its load and its turn: somebody else rules this device.
constexpr int kMostBeginnings = 5;
constexpr double kNewShare = 0.2;  // of the newest run in the mean

bool is_cancelled(const Request& request) {
  return request.cancelled->load();
}

}  // namespace

RequestQueue::Turn::Turn(RequestQueue& queue, std::uint64_t id, std::chrono::nanoseconds waited,
                         std::shared_ptr<std::atomic<bool>> cancelled)
    : queue_(&queue), id_(id), waited_(waited), cancelled_(std::move(cancelled)) {}

RequestQueue::Turn::Turn(Turn&& other) noexcept
    : queue_(std::exchange(other.queue_, nullptr)),
      id_(other.id_),
      waited_(other.waited_),
      cancelled_(std::move(other.cancelled_)) {}

RequestQueue::Turn& RequestQueue::Turn::operator=(Turn&& other) noexcept {
  if (this == &other) return *this;
  end();
  queue_ = std::exchange(other.queue_, nullptr);
  id_ = other.id_;
  waited_ = other.waited_;
  cancelled_ = std::move(other.cancelled_);
  return *this;
}

RequestQueue::Turn::~Turn() {
  end();
}

void RequestQueue::Turn::end() {
  if (queue_ != nullptr) std::exchange(queue_, nullptr)->end(id_);
}

RequestQueue::RequestQueue(std::string name, const base::Clock& clock, const QueueOptions& options)
    : name_(std::move(name)),
      clock_(clock),
      options_(options),
      schedule_(options.schedule),
      last_busy_(clock.now()) {
  assert(options.concurrency > 0);
  running_.reserve(static_cast<std::size_t>(options.concurrency));
}

RequestQueue::~RequestQueue() = default;

Error RequestQueue::busy_error() const {
  const double turns = static_cast<double>(schedule_.size()) / options_.concurrency;
  const auto retry_after =
      std::chrono::ceil<std::chrono::milliseconds>(Seconds(std::max(1.0, mean_run_seconds_ * turns / 2)));
  return {ErrorCode::kUnavailable,
          fmt::format("{} is busy: {} requests wait already, as many as may, and {} run; try again in about "
                      "{:.0f} s",
                      name_, schedule_.size(), running_.size(), Seconds(retry_after).count()),
          retry_after};
}

RequestQueue::EntryPtr RequestQueue::join(const Request& request, bool is_loaded) {
  auto entry = std::make_shared<Entry>();
  entry->request = request;
  if (!entry->request.cancelled) entry->request.cancelled = std::make_shared<std::atomic<bool>>(false);
  MutexLock lock(mutex_);
  if (closed_) {
    throw Error(ErrorCode::kUnavailable, name_ + " takes no requests any more: greenroom is shutting down");
  }
  if (entries_.count(request.id) != 0 || request.id == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: a request {} is there already", name_, request.id));
  }
  // Who can run at once does not wait.
  if (schedule_.size() >= options_.capacity &&
      (schedule_.size() > 0 || static_cast<int>(running_.size()) >= options_.concurrency)) {
    ++totals_.refused;
    throw busy_error();
  }
  entry->arrival = last_busy_ = clock_.now();
  const auto place = entries_.emplace(request.id, entry).first;
  try {
    schedule_.add({request.id, request.model, request.priority, request.cost, entry->arrival});
  } catch (...) {
    entries_.erase(place);
    throw;
  }
  if (schedule_.state(request.model) != Schedule::ModelState::kLoading) {
    schedule_.set_state(request.model,
                        is_loaded ? Schedule::ModelState::kReady : Schedule::ModelState::kAbsent);
  }
  dispatch();
  return entry;
}

RequestQueue::Turn RequestQueue::enter(const Request& request) {
  if (request.priority < Request::kMinPriority || request.priority > Request::kMaxPriority ||
      !(request.cost > 0)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: the request's priority is {} and its cost {}; allowed are {} to {}, and more "
                    "than 0",
                    name_, request.priority, request.cost, Request::kMinPriority, Request::kMaxPriority));
  }
  const EntryPtr entry = join(request, request.door.is_loaded());
  try {
    for (int beginnings = 0;;) {
      switch (await_order(*entry)) {
        case Order::kAsk:
          ask(entry);
          break;
        case Order::kLoad:
          load(entry);
          break;
        case Order::kRun:
          if (begin(entry)) {
            return Turn(*this, request.id, clock_.now() - entry->arrival, entry->request.cancelled);
          }
          if (++beginnings >= kMostBeginnings) {
            throw Error(ErrorCode::kUnavailable,
                        fmt::format("{}: '{}' was unloaded {} times before its request could begin", name_,
                                    request.model, beginnings));
          }
          break;
        default:
          assert(false);
      }
    }
  } catch (...) {
    abandon(entry);
    throw;
  }
}

std::optional<Error> RequestQueue::objection(const Entry& entry) {
  if (entry.error) return entry.error;
  if (is_cancelled(entry.request)) {
    ++totals_.cancelled;
    return Error(ErrorCode::kCancelled, fmt::format("{}: the request was cancelled while it waited", name_));
  }
  const TimePoint now = clock_.now();
  if (entry.request.deadline && now >= *entry.request.deadline) {
    ++totals_.expired;
    return Error(ErrorCode::kDeadlineExceeded,
                 fmt::format("{}: the request waited {:.1f} s and its time was up before its turn came; {} "
                             "requests wait",
                             name_, Seconds(now - entry.arrival).count(), schedule_.size()));
  }
  return std::nullopt;
}

RequestQueue::Order RequestQueue::await_order(Entry& entry) {
  MutexLock lock(mutex_);
  for (;;) {
    if (is_behind_) dispatch_all();  // no memory still: an error of this request
    is_behind_ = false;
    if (entry.order == Order::kRun) return entry.order;  // begun: from here on the run looks at `cancelled`
    if (const auto error = objection(entry)) throw Error(*error);
    if (entry.order != Order::kWait) return entry.order;
    TimePoint next = clock_.now() + kCancelCheck;
    if (entry.request.deadline) next = std::min(next, *entry.request.deadline);
    clock_.wait_until(entry.wake, mutex_, next);
  }
}

void RequestQueue::ask(const EntryPtr& entry) {
  std::vector<std::string> spared;
  {
    MutexLock lock(mutex_);
    spared = entry->spared;
  }
  const bool fits = entry->request.door.fits(spared);
  MutexLock lock(mutex_);
  if (entry->order != Order::kAsk) return;
  entry->order = Order::kWait;
  if (fits && schedule_.state(entry->request.model) == Schedule::ModelState::kAbsent) {
    order_load(*entry, /*alone=*/false);
  }
  dispatch();
}

void RequestQueue::load(const EntryPtr& entry) {
  std::optional<Error> error;
  try {
    entry->request.door.load([&] { note_admitted(entry->request.id); });
  } catch (const Error& thrown) {
    error = thrown;
  } catch (const std::exception& thrown) {
    error = Error(ErrorCode::kInternal, thrown.what());
  }
  finish_load(entry, error);
}

void RequestQueue::note_admitted(std::uint64_t id) {
  MutexLock lock(mutex_);
  if (swapping_ != id) return;
  swapping_ = 0;
  dispatch();
}

void RequestQueue::finish_load(const EntryPtr& entry, const std::optional<Error>& error) {
  MutexLock lock(mutex_);
  --loads_;
  ++change_;
  if (swapping_ == entry->request.id) swapping_ = 0;
  entry->order = Order::kWait;
  const std::string& model = entry->request.model;
  schedule_.set_state(model, error ? Schedule::ModelState::kAbsent : Schedule::ModelState::kReady);
  // Others took the room meanwhile: that may pass, so it is asked for again.
  const bool may_pass = error && error->code() == ErrorCode::kResourceExhausted && !entry->loads_alone;
  if (may_pass) entry->asked_at = entry->asked_swap_at = change_;
  if (error && !may_pass) {
    for (const WaitingRequest& other : schedule_.waiting()) {
      Entry& waiting = *entries_.at(other.id);
      if (other.model != model) continue;
      // A load that one of them cancelled is begun again for the rest.
      if (error->code() == ErrorCode::kCancelled && is_cancelled(entry->request) && &waiting != entry.get())
        continue;
      waiting.error = error;
      ++totals_.failed;
      waiting.wake.notify_all();
    }
  }
  dispatch();
}

bool RequestQueue::begin(const EntryPtr& entry) {
  const bool begun = entry->request.door.begin();
  MutexLock lock(mutex_);
  if (begun) {
    ++totals_.begun;
    const double waited = Seconds(clock_.now() - entry->arrival).count();
    totals_.wait_seconds += waited;
    totals_.longest_wait_seconds = std::max(totals_.longest_wait_seconds, waited);
    return true;
  }
  // Back among the waiting, where it was.
  std::erase(running_, entry.get());
  entry->order = Order::kWait;
  schedule_.add({entry->request.id, entry->request.model, entry->request.priority, entry->request.cost,
                 entry->arrival});
  // Another one may be bringing it in already.
  if (schedule_.state(entry->request.model) != Schedule::ModelState::kLoading)
    schedule_.set_state(entry->request.model, Schedule::ModelState::kAbsent);
  ++change_;
  dispatch();
  return false;
}

void RequestQueue::end(std::uint64_t id) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  assert(found != entries_.end());
  last_busy_ = clock_.now();
  const double seconds = Seconds(last_busy_ - found->second->began).count();
  mean_run_seconds_ =
      mean_run_seconds_ == 0 ? seconds : (1 - kNewShare) * mean_run_seconds_ + kNewShare * seconds;
  std::erase(running_, found->second.get());
  entries_.erase(found);
  ++change_;
  dispatch();
  if (entries_.empty()) emptied_.notify_all();
}

void RequestQueue::leave(Entry& entry) {
  const std::uint64_t id = entry.request.id;
  if (entry.order == Order::kLoad) {  // it was ordered and never begun
    --loads_;
    if (swapping_ == id) swapping_ = 0;
    schedule_.set_state(entry.request.model, Schedule::ModelState::kAbsent);
  }
  schedule_.remove(id);
  std::erase(running_, &entry);
  entries_.erase(id);
  last_busy_ = clock_.now();
  ++change_;
}

void RequestQueue::abandon(const EntryPtr& entry) {
  MutexLock lock(mutex_);
  leave(*entry);
  dispatch();
  if (entries_.empty()) emptied_.notify_all();
}

std::vector<std::string> RequestQueue::busy_models(const std::string& except, bool waiting_too) const {
  std::set<std::string> models;
  for (const Entry* run : running_) models.insert(run->request.model);
  if (waiting_too) {
    for (const WaitingRequest& other : schedule_.waiting()) {
      if (schedule_.state(other.model) == Schedule::ModelState::kReady) models.insert(other.model);
    }
  }
  models.erase(except);
  return {models.begin(), models.end()};
}

void RequestQueue::give(Entry& entry, Order order) {
  entry.order = order;
  entry.wake.notify_all();
}

void RequestQueue::order_load(Entry& entry, bool alone) {
  ++loads_;
  entry.loads_alone = alone;
  schedule_.set_state(entry.request.model, Schedule::ModelState::kLoading);
  give(entry, Order::kLoad);
}

bool RequestQueue::send_away(std::uint64_t id, TimePoint now) {
  Entry& entry = *entries_.at(id);
  const auto& deadline = entry.request.deadline;
  if (!is_cancelled(entry.request) && !(deadline && now >= *deadline)) return false;
  schedule_.remove(id);
  entry.wake.notify_all();
  return true;
}

bool RequestQueue::dispatch_swap(Entry& entry) {
  if (loads_ > 0) return false;
  if (entry.order != Order::kWait) return true;
  if (running_.empty()) {
    if (!busy_models(entry.request.model, true).empty()) {
      ++totals_.swaps;
      schedule_.swapped(clock_.now());
    }
    swapping_ = entry.request.id;
    order_load(entry, /*alone=*/true);
  } else if (entry.asked_swap_at != change_) {
    entry.spared = busy_models(entry.request.model, false);
    entry.asked_swap_at = change_;
    give(entry, Order::kAsk);
  }
  return true;
}

// Models that fit beside those in use come in without waiting for anybody; but when one is to be swapped in,
// no other comes before it.
void RequestQueue::dispatch_loads(const Schedule::Choice& choice) {
  for (const std::uint64_t id : schedule_.absent_heads()) {
    if (choice.swap && *choice.swap != id) continue;
    Entry& entry = *entries_.at(id);
    if (entry.order != Order::kWait || entry.asked_at == change_) continue;
    entry.spared = busy_models(entry.request.model, true);
    if (entry.spared.empty() && loads_ == 0) continue;  // nobody to stand beside: it is swapped in
    entry.asked_at = change_;
    give(entry, Order::kAsk);
  }
}

void RequestQueue::dispatch() noexcept {
  try {
    dispatch_all();
    is_behind_ = false;
  } catch (const std::bad_alloc&) {
    is_behind_ = true;
  }
}

// An exception leaves what was given out so far, and all else as it was.
void RequestQueue::dispatch_all() {
  const TimePoint now = clock_.now();
  for (;;) {
    if (swapping_ != 0) return;
    const Schedule::Choice choice = schedule_.choose(now);
    if (choice.swap && send_away(*choice.swap, now)) continue;
    if (choice.run && send_away(*choice.run, now)) continue;
    dispatch_loads(choice);
    if (choice.swap && dispatch_swap(*entries_.at(*choice.swap))) return;
    if (!choice.run || static_cast<int>(running_.size()) >= options_.concurrency) return;
    Entry& entry = *entries_.at(*choice.run);
    schedule_.take(*choice.run, now);
    running_.push_back(&entry);
    entry.began = now;
    give(entry, Order::kRun);
  }
}

bool RequestQueue::cancel(std::uint64_t id) {
  std::function<void()> cancel_load;
  {
    MutexLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) return false;
    Entry& entry = *found->second;
    entry.request.cancelled->store(true);
    entry.wake.notify_all();
    const auto waits_too = [&](const WaitingRequest& other) {
      return other.model == entry.request.model && !is_cancelled(entries_.at(other.id)->request);
    };
    const auto& waiting = schedule_.waiting();
    if (entry.order == Order::kLoad && std::none_of(waiting.begin(), waiting.end(), waits_too)) {
      cancel_load = entry.request.door.cancel_load;
    }
  }
  if (cancel_load) cancel_load();
  return true;
}

void RequestQueue::close() {
  MutexLock lock(mutex_);
  closed_ = true;
}

bool RequestQueue::wait_until_empty(std::optional<TimePoint> deadline) {
  MutexLock lock(mutex_);
  while (!entries_.empty()) {
    if (deadline && clock_.now() >= *deadline) return false;
    if (deadline) {
      clock_.wait_until(emptied_, mutex_, *deadline);
    } else {
      emptied_.wait(mutex_);
    }
  }
  return true;
}

void RequestQueue::stop() {
  std::vector<std::uint64_t> ids;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    for (const auto& [id, entry] : entries_) {
      entry->request.cancelled->store(true);
      ids.push_back(id);
    }
  }
  for (const std::uint64_t id : ids) cancel(id);
}

void RequestQueue::poke() {
  MutexLock lock(mutex_);
  ++change_;
  dispatch();
}

QueueStats RequestQueue::stats() const {
  MutexLock lock(mutex_);
  QueueStats stats = totals_;
  const TimePoint now = clock_.now();
  stats.waiting = schedule_.size();
  stats.running = static_cast<int>(running_.size());
  for (const WaitingRequest& request : schedule_.waiting()) {
    ++stats.waiting_by_model[request.model];
    stats.oldest_wait_seconds = std::max(stats.oldest_wait_seconds, Seconds(now - request.arrival).count());
  }
  if (entries_.empty()) stats.quiet_for = now - last_busy_;
  return stats;
}

}  // namespace greenroom::core
