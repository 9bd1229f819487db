// Where the manager's events go: to the history and to everybody who listens.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "app/event_history.h"
#include "base/mutex.h"
#include "core/event.h"

namespace greenroom::app {

// Called from a thread that serves this listener alone, one event after the other. May be slow, may call
// anything, its own Subscription included; what it throws is logged and goes no further.
using EventListener = std::function<void(const core::Event&)>;

class ListenerQueue;

// A listener's stay: ends it on destruction, which waits for a call in progress (unless it comes from within
// that call) and drops what is queued. May outlive the hub. Move-only. Thread-safe once constructed.
class Subscription {
 public:
  Subscription() = default;
  explicit Subscription(std::shared_ptr<ListenerQueue> queue) : queue_(std::move(queue)) {}
  Subscription(Subscription&&) noexcept = default;
  Subscription& operator=(Subscription&& other) noexcept;
  ~Subscription();

  // Events this listener did not get because it was more than `max_queued` behind.
  std::uint64_t dropped() const;
  // Returns once every event published before has been handed over or dropped. Not from within the listener.
  void drain() const;

 private:
  void end();

  std::shared_ptr<ListenerQueue> queue_;
};

// Thread-safe. publish() queues and returns: neither the disk nor a slow listener holds the manager up.
class EventHub final : public core::EventSink {
 public:
  static constexpr std::size_t kMaxQueued = 1000;

  // `history` may be null; borrowed, outlives the hub.
  explicit EventHub(EventHistory* history) : history_(history) {}

  // Progress of a load goes to the listeners only: the history keeps what was decided and done.
  void publish(const core::Event& event) override EXCLUDES_LOCK(mutex_);

  [[nodiscard]] Subscription subscribe(EventListener listener, std::size_t max_queued = kMaxQueued)
      EXCLUDES_LOCK(mutex_);

 private:
  EventHistory* history_;
  base::Mutex mutex_;
  std::vector<std::weak_ptr<ListenerQueue>> listeners_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::app
