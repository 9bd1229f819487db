// Threads that are kept for the next task: a new thread would make OpenMP start a new pool of its own.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace greenroom::worker {

// As many threads as tasks run at a time: a task may wait for the daemon, and none waits for a thread.
// Thread-safe.
class Crew {
 public:
  Crew() = default;
  // Waits for all tasks.
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // `task` does not throw.
  void run(std::function<void()> task) EXCLUDES_LOCK(mutex_);

 private:
  void work() EXCLUDES_LOCK(mutex_);

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  std::size_t idle_ GUARDED_BY(mutex_) = 0;
  bool ending_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::worker
