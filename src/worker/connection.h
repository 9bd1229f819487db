// The daemon's end of the line to one worker process: calls that are answered, side by side.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/device_id.h"
#include "base/mutex.h"
#include "worker/channel.h"

namespace greenroom::worker {

class Connection;

// One call and what comes back for it. Movable. Not thread-safe: belongs to the thread that made it. Its
// destructor gives the call up when it was not finished.
class Call {
 public:
  Call(std::shared_ptr<Connection> connection, std::uint64_t id);
  Call(Call&& other) noexcept;
  Call& operator=(Call&&) = delete;
  ~Call();

  // More for the same call.
  void send(base::Json body, std::vector<base::FileDescriptor> files = {});
  // The next message, when one comes within that time. Throws base::Error(kUnavailable) saying how the worker
  // ended.
  std::optional<Message> next(std::chrono::nanoseconds patience);
  Message next();
  // The worker said its last word in this call.
  void finish() { finished_ = true; }

 private:
  std::shared_ptr<Connection> connection_;
  std::uint64_t id_;
  bool finished_ = false;
};

// Shared by everything that a worker holds for the daemon: once it has ended, all of that is lost.
// Thread-safe.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Of the hello that a worker begins with.
  static constexpr std::uint64_t kHelloCall = 0;

  Connection(base::DeviceId device, base::FileDescriptor socket)
      : device_(device), channel_(std::move(socket)) {
    calls_[kHelloCall];
  }

  base::DeviceId device() const { return device_; }

  // Throws base::Error: kUnavailable once it has ended, kResourceExhausted.
  Call call(base::Json body, std::vector<base::FileDescriptor> files = {}) EXCLUDES_LOCK(mutex_);
  // Something that is not answered; lost when the worker has ended.
  void tell(const base::Json& body) noexcept;

  bool has_ended() const { return ended_; }
  // How it ended; empty before.
  std::string ending() const EXCLUDES_LOCK(mutex_);
  // Why it cannot go on, if it said so.
  std::string last_word() const EXCLUDES_LOCK(mutex_);
  // Has a load or a run ever come to its end here?
  bool was_useful() const { return useful_; }
  void note_use() { useful_ = true; }

  // What keeps the worker: components and images that live in it, and calls under way.
  bool is_idle() const EXCLUDES_LOCK(mutex_);
  std::size_t held() const { return held_; }
  void add_held() { ++held_; }
  void drop_held() { --held_; }

  // For who reads the channel: takes messages to their calls until the worker has closed its end.
  void receive_all();
  // Every call under way, and every later one, fails with this.
  void end(const std::string& how) EXCLUDES_LOCK(mutex_);
  void close_channel() { channel_.close(); }

 private:
  friend class Call;
  struct Mailbox {
    std::deque<Message> messages;
  };

  std::optional<Message> wait_for(std::uint64_t id, std::optional<base::Clock::TimePoint> deadline)
      EXCLUDES_LOCK(mutex_);
  void post(Message message) EXCLUDES_LOCK(mutex_);
  void leave(std::uint64_t id, bool finished) noexcept EXCLUDES_LOCK(mutex_);

  const base::DeviceId device_;
  Channel channel_;
  std::atomic<bool> ended_{false};
  std::atomic<bool> useful_{false};
  std::atomic<std::size_t> held_{0};
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::string ending_ GUARDED_BY(mutex_);
  std::string last_word_ GUARDED_BY(mutex_);
  std::uint64_t last_id_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Mailbox> calls_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::worker
