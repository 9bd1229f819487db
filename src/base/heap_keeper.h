// Keeps a long-lived process's heap from holding on to what was given back to it.
#pragma once

#include <functional>
#include <thread>

#include "base/mutex.h"

namespace greenroom::base {

// A thread that returns freed memory to the system: soon after freed(), and every few seconds while there is
// something to do and once after.
class HeapKeeper {
 public:
  // `was_busy`: has anything been computed in the last seconds? Asked by the thread, without a lock.
  explicit HeapKeeper(std::function<bool()> was_busy);
  ~HeapKeeper();
  HeapKeeper(const HeapKeeper&) = delete;
  HeapKeeper& operator=(const HeapKeeper&) = delete;

  // Much memory was freed. Thread-safe, quick.
  void freed() EXCLUDES_LOCK(mutex_);

 private:
  void run() EXCLUDES_LOCK(mutex_);

  const std::function<bool()> was_busy_;
  Mutex mutex_;
  CondVar changed_;
  bool is_over_ GUARDED_BY(mutex_) = false;
  bool is_wanted_ GUARDED_BY(mutex_) = false;
  std::thread thread_;  // begins last
};

}  // namespace greenroom::base
