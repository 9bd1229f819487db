#include "app/event_hub.h"

#include <chrono>
#include <deque>
#include <exception>
#include <string>
#include <thread>
#include <utility>

#include "base/log.h"

namespace greenroom::app {
namespace {

HistoryEntry to_entry(const core::Event& event) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  HistoryEntry entry;
  entry.time_ms = duration_cast<milliseconds>(event.time.time_since_epoch()).count();
  entry.type = core::event_type_name(event.type);
  entry.model_id = event.model_id;
  entry.model_type = event.model_type;
  entry.device = base::to_string(event.device);
  entry.component = event.component;
  entry.bytes = event.bytes;
  entry.seconds = event.seconds;
  entry.message = event.message;
  entry.cause = event.cause;
  return entry;
}

}  // namespace

// One listener, its queue and its thread. The thread holds a reference to the queue, so that a listener that
// ends its own subscription does not pull it away from under itself.
class ListenerQueue {
 public:
  ListenerQueue(EventListener listener, std::size_t max_queued)
      : listener_(std::move(listener)), max_queued_(max_queued) {}

  static std::shared_ptr<ListenerQueue> start(EventListener listener, std::size_t max_queued) {
    auto queue = std::make_shared<ListenerQueue>(std::move(listener), max_queued);
    queue->thread_ = std::thread([queue] { queue->serve(); });
    return queue;
  }

  void push(const core::Event& event) {
    base::MutexLock lock(mutex_);
    if (stopping_) return;
    if (events_.size() >= max_queued_) {
      ++dropped_;
      return;
    }
    events_.push_back(event);
    ++pushed_;
    changed_.notify_all();
  }

  void stop() {
    {
      base::MutexLock lock(mutex_);
      stopping_ = true;
      events_.clear();
      changed_.notify_all();
    }
    if (thread_.get_id() == std::this_thread::get_id()) {
      thread_.detach();
    } else {
      thread_.join();
    }
  }

  std::uint64_t dropped() const {
    base::MutexLock lock(mutex_);
    return dropped_;
  }

  void drain() const {
    base::MutexLock lock(mutex_);
    const auto target = pushed_;
    while (handled_ < target && !stopping_) changed_.wait(mutex_);
  }

 private:
  void serve() {
    while (auto event = next()) {
      try {
        listener_(*event);
      } catch (const std::exception& error) {
        base::log(base::LogLevel::kError, "app", std::string("a listener to events failed: ") + error.what());
      } catch (...) {
        base::log(base::LogLevel::kError, "app", "a listener to events failed");
      }
      base::MutexLock lock(mutex_);
      ++handled_;
      changed_.notify_all();
    }
  }

  std::unique_ptr<core::Event> next() {
    base::MutexLock lock(mutex_);
    while (events_.empty() && !stopping_) changed_.wait(mutex_);
    if (stopping_) return nullptr;
    auto event = std::make_unique<core::Event>(std::move(events_.front()));
    events_.pop_front();
    return event;
  }

  const EventListener listener_;
  const std::size_t max_queued_;
  std::thread thread_;  // touched by start() and stop() only
  mutable base::Mutex mutex_;
  mutable base::CondVar changed_;
  std::deque<core::Event> events_ GUARDED_BY(mutex_);
  std::uint64_t pushed_ GUARDED_BY(mutex_) = 0;
  std::uint64_t handled_ GUARDED_BY(mutex_) = 0;
  std::uint64_t dropped_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
};

Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    end();
    queue_ = std::move(other.queue_);
  }
  return *this;
}

Subscription::~Subscription() {
  end();
}

void Subscription::end() {
  if (queue_) queue_->stop();
  queue_.reset();
}

std::uint64_t Subscription::dropped() const {
  return queue_ ? queue_->dropped() : 0;
}

void Subscription::drain() const {
  if (queue_) queue_->drain();
}

void EventHub::publish(const core::Event& event) {
  try {
    if (history_ != nullptr && event.type != core::EventType::kLoadProgress)
      history_->append(to_entry(event));
    std::vector<std::shared_ptr<ListenerQueue>> queues;
    {
      base::MutexLock lock(mutex_);
      for (const auto& listener : listeners_) {
        if (auto queue = listener.lock()) queues.push_back(std::move(queue));
      }
    }
    for (const auto& queue : queues) queue->push(event);
  } catch (const std::exception& error) {  // no memory: the manager goes on without this event
    base::log(base::LogLevel::kError, "app", std::string("an event is lost: ") + error.what());
  }
}

Subscription EventHub::subscribe(EventListener listener, std::size_t max_queued) {
  auto queue = ListenerQueue::start(std::move(listener), max_queued);
  base::MutexLock lock(mutex_);
  std::erase_if(listeners_, [](const auto& known) { return known.expired(); });
  listeners_.push_back(queue);
  return Subscription(std::move(queue));
}

}  // namespace greenroom::app
