// Keeps a daemon's heap from holding on to what inferences and unloaded models gave back.
#pragma once

#include <thread>

#include "app/engine.h"
#include "base/mutex.h"

namespace greenroom::cli {

// A thread that returns freed memory to the system: soon after a model is gone, and every few seconds while
// there is something to do. Borrows the engine.
class HeapKeeper {
 public:
  explicit HeapKeeper(app::Engine& engine);
  ~HeapKeeper();
  HeapKeeper(const HeapKeeper&) = delete;
  HeapKeeper& operator=(const HeapKeeper&) = delete;

 private:
  void run() EXCLUDES_LOCK(mutex_);

  app::Engine& engine_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool is_over_ GUARDED_BY(mutex_) = false;
  bool is_wanted_ GUARDED_BY(mutex_) = false;  // a model is gone
  app::Subscription events_;
  std::thread thread_;
};

}  // namespace greenroom::cli
