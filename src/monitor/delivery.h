// Handing things to somebody who may be slow, from a thread that serves him alone.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "base/mutex.h"

namespace greenroom::monitor {

// Runs jobs one after the other in a thread of its own. A job that throws is logged and counted; of more than
// `max_queued` waiting ones the oldest is dropped and counted. Thread-safe.
class Delivery {
 public:
  using Job = std::function<void()>;
  static constexpr std::size_t kMaxQueued = 256;

  // `name` is for the log.
  explicit Delivery(std::string name, std::size_t max_queued = kMaxQueued);
  ~Delivery();  // end()
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Waits for the job under way and drops what is queued, and everything posted from now on. Not from within
  // a job.
  void end() EXCLUDES_LOCK(mutex_);

  // Queues and returns.
  void post(Job job) EXCLUDES_LOCK(mutex_);
  // Returns once every job posted before is done or dropped. Not from within a job.
  void drain() EXCLUDES_LOCK(mutex_);
  std::uint64_t dropped() const EXCLUDES_LOCK(mutex_);
  std::uint64_t failed() const EXCLUDES_LOCK(mutex_);

 private:
  void run() EXCLUDES_LOCK(mutex_);
  bool try_job(const Job& job) const;

  const std::string name_;
  const std::size_t max_queued_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Job> queue_ GUARDED_BY(mutex_);
  bool busy_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::uint64_t dropped_ GUARDED_BY(mutex_) = 0;
  std::uint64_t failed_ GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace greenroom::monitor
