// The queue of one device: who may run an inference on it, and when.
//
// Requests run in their callers' threads; the queue only says whose turn it is. A request whose model is
// loaded never waits for another model's load; a request whose model is absent brings it in itself, once for
// all who wait for it, at once when it fits beside the models that others wait for, else when its turn to
// swap has come.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/mutex.h"
#include "core/schedule.h"

namespace greenroom::core {

struct QueueOptions {
  std::size_t capacity = 64;  // requests that may wait
  int concurrency = 1;        // requests that may run
  ScheduleOptions schedule;
};

// What the queue asks of a request's model. Called in the request's thread, without a lock.
struct ModelDoor {
  std::function<bool()> is_loaded;
  // Would it fit beside these models?
  std::function<bool(const std::vector<std::string>& spared)> fits;
  // Brings it in; calls `admitted` once memory is reserved for it and nothing more has to go. Throws
  // base::Error.
  std::function<void(const std::function<void()>& admitted)> load;
  // Ends that load, from another thread. May be empty.
  std::function<void()> cancel_load;
  // Pins the model for the run. False: it is not loaded any more.
  std::function<bool()> begin;
};

struct Request {
  static constexpr int kMinPriority = -10;
  static constexpr int kMaxPriority = 10;

  std::uint64_t id = 0;  // to cancel it by; not 0, and not twice at a time
  std::string model;
  int priority = 0;  // kMinPriority..kMaxPriority; higher goes first
  double cost = 1;   // its share of the device, in any unit: seconds of audio; positive
  std::optional<base::Clock::TimePoint> deadline;  // it does not begin after it
  // Set by whoever does not want the result any more; the run looks at it between its steps. May be null: the
  // queue makes one.
  std::shared_ptr<std::atomic<bool>> cancelled;
  ModelDoor door;
};

struct QueueStats {
  std::size_t waiting = 0;
  int running = 0;
  std::map<std::string, std::size_t> waiting_by_model;
  double oldest_wait_seconds = 0;
  // Since the start.
  std::uint64_t begun = 0;
  std::uint64_t refused = 0;    // busy
  std::uint64_t expired = 0;    // deadlines
  std::uint64_t cancelled = 0;  // while waiting
  std::uint64_t failed = 0;     // their model could not be loaded
  std::uint64_t swaps = 0;      // models brought in while others had to stand back
  double wait_seconds = 0;      // of all that began
  double longest_wait_seconds = 0;
  std::chrono::nanoseconds quiet_for{0};  // how long nothing has waited or run
};

// Thread-safe.
class RequestQueue {
 public:
  // A place among the running; its destructor gives it back. Move-only. Must not outlive the queue.
  class Turn {
   public:
    Turn(Turn&& other) noexcept;
    Turn& operator=(Turn&& other) noexcept;
    ~Turn();

    std::chrono::nanoseconds waited() const { return waited_; }
    const std::shared_ptr<std::atomic<bool>>& cancelled() const { return cancelled_; }

   private:
    friend class RequestQueue;
    Turn(RequestQueue& queue, std::uint64_t id, std::chrono::nanoseconds waited,
         std::shared_ptr<std::atomic<bool>> cancelled);
    void end();

    RequestQueue* queue_ = nullptr;  // null once moved from
    std::uint64_t id_ = 0;
    std::chrono::nanoseconds waited_{0};
    std::shared_ptr<std::atomic<bool>> cancelled_;
  };

  // `name` begins the messages: "cpu". Borrows the clock.
  RequestQueue(std::string name, const base::Clock& clock, const QueueOptions& options = {});
  // REQUIRES: no call in progress, no Turn left.
  ~RequestQueue();
  RequestQueue(const RequestQueue&) = delete;
  RequestQueue& operator=(const RequestQueue&) = delete;

  // Waits for the request's turn; `door.begin` has been called and said true when it returns. Throws
  // base::Error: kUnavailable (too many wait, with how long the queue is and when to try again; or the queue
  // is closed), kDeadlineExceeded, kCancelled, kInvalidArgument, and what door.load throws: one failed load
  // fails all who wait for that model.
  Turn enter(const Request& request) EXCLUDES_LOCK(mutex_);

  // Ends the request's wait, or sets its `cancelled`. False when there is none of that id.
  bool cancel(std::uint64_t id) EXCLUDES_LOCK(mutex_);

  // Lets nobody in any more (kUnavailable). Who waits and who runs goes on; wait_until_empty() waits for
  // them, until `deadline` at most; false when it came first.
  void close() EXCLUDES_LOCK(mutex_);
  bool wait_until_empty(std::optional<base::Clock::TimePoint> deadline = std::nullopt) EXCLUDES_LOCK(mutex_);
  // close(), and cancels who waits and who runs.
  void stop() EXCLUDES_LOCK(mutex_);

  // Memory came free for a reason the queue cannot see: who waits for room asks again.
  void poke() EXCLUDES_LOCK(mutex_);

  QueueStats stats() const EXCLUDES_LOCK(mutex_);

 private:
  enum class Order {
    kWait,
    kAsk,   // does it fit beside `spared`?
    kLoad,  // bring the model in
    kRun,
    kFail,
  };
  struct Entry {
    Request request;
    Order order = Order::kWait;
    base::CondVar wake;
    base::Clock::TimePoint arrival;
    base::Clock::TimePoint began;  // of one that runs
    std::vector<std::string> spared;
    // The change_ that the last answer (no) was for: to whether it fits beside all that is in use, and beside
    // what runs.
    std::uint64_t asked_at = 0;
    std::uint64_t asked_swap_at = 0;
    bool loads_alone = false;  // nobody ran and nothing else was loading: its failure is final
    std::optional<base::Error> error;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  EntryPtr join(const Request& request, bool is_loaded) EXCLUDES_LOCK(mutex_);
  Order await_order(Entry& entry) EXCLUDES_LOCK(mutex_);
  void ask(const EntryPtr& entry) EXCLUDES_LOCK(mutex_);
  void load(const EntryPtr& entry) EXCLUDES_LOCK(mutex_);
  void note_admitted(std::uint64_t id) EXCLUDES_LOCK(mutex_);
  void finish_load(const EntryPtr& entry, const std::optional<base::Error>& error) EXCLUDES_LOCK(mutex_);
  bool begin(const EntryPtr& entry) EXCLUDES_LOCK(mutex_);
  void end(std::uint64_t id) EXCLUDES_LOCK(mutex_);
  void abandon(const EntryPtr& entry) EXCLUDES_LOCK(mutex_);

  // Why the entry may not go on; nullopt: it may.
  std::optional<base::Error> objection(const Entry& entry) REQUIRES_LOCK(mutex_);
  void leave(Entry& entry) REQUIRES_LOCK(mutex_);
  // Gives out what can be given. Where that needs memory and there is none, who waits does it a little later.
  void dispatch() noexcept REQUIRES_LOCK(mutex_);
  void dispatch_all() REQUIRES_LOCK(mutex_);
  void dispatch_loads(const Schedule::Choice& choice) REQUIRES_LOCK(mutex_);
  // True when nobody else may begin before it.
  bool dispatch_swap(Entry& entry) REQUIRES_LOCK(mutex_);
  // Of one that was cancelled or is too late: it has no turn any more and is told to leave.
  bool send_away(std::uint64_t id, base::Clock::TimePoint now) REQUIRES_LOCK(mutex_);
  void give(Entry& entry, Order order) REQUIRES_LOCK(mutex_);
  void order_load(Entry& entry, bool alone) REQUIRES_LOCK(mutex_);
  std::vector<std::string> busy_models(const std::string& except, bool waiting_too) const
      REQUIRES_LOCK(mutex_);
  base::Error busy_error() const REQUIRES_LOCK(mutex_);

  const std::string name_;
  const base::Clock& clock_;
  const QueueOptions options_;
  mutable base::Mutex mutex_;
  base::CondVar emptied_;
  Schedule schedule_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, EntryPtr> entries_ GUARDED_BY(mutex_);  // waiting and running
  std::vector<Entry*> running_ GUARDED_BY(mutex_);                // has room for as many as may run
  int loads_ GUARDED_BY(mutex_) = 0;                              // under way
  // The request whose load takes other models' room and has not got it yet: until then nobody begins.
  std::uint64_t swapping_ GUARDED_BY(mutex_) = 0;
  std::uint64_t change_ GUARDED_BY(mutex_) = 1;  // counts what may have made room
  bool is_behind_ GUARDED_BY(mutex_) = false;    // a dispatch failed for want of memory
  bool closed_ GUARDED_BY(mutex_) = false;
  double mean_run_seconds_ GUARDED_BY(mutex_) = 0;
  base::Clock::TimePoint last_busy_ GUARDED_BY(mutex_);
  QueueStats totals_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::core
