#include "worker/crew.h"

#include <utility>

namespace greenroom::worker {

using base::MutexLock;

Crew::~Crew() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
    threads = std::move(threads_);
  }
  for (auto& thread : threads) thread.join();
}

void Crew::run(std::function<void()> task) {
  MutexLock lock(mutex_);
  tasks_.push_back(std::move(task));
  if (tasks_.size() > idle_) threads_.emplace_back([this] { work(); });
  changed_.notify_all();
}

void Crew::work() {
  for (;;) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      ++idle_;
      while (tasks_.empty() && !ending_) changed_.wait(mutex_);
      --idle_;
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace greenroom::worker
