#include "base/heap_keeper.h"

#include <chrono>
#include <utility>

#include "base/heap.h"

namespace greenroom::base {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kInterval{5};

}  // namespace

HeapKeeper::HeapKeeper(std::function<bool()> was_busy)
    : was_busy_(std::move(was_busy)), thread_([this] { run(); }) {}

HeapKeeper::~HeapKeeper() {
  {
    MutexLock lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void HeapKeeper::freed() {
  MutexLock lock(mutex_);
  is_wanted_ = true;
  changed_.notify_all();
}

void HeapKeeper::run() {
  bool was_busy = false;
  for (;;) {
    const auto next = steady_clock::now() + kInterval;
    bool is_wanted = false;
    {
      MutexLock lock(mutex_);
      while (!is_over_ && !is_wanted_ && steady_clock::now() < next) changed_.wait_until(mutex_, next);
      if (is_over_) return;
      is_wanted = std::exchange(is_wanted_, false);
    }
    // Once more after the last piece of work: what it used is free only then.
    const bool is_busy = was_busy_();
    if (is_wanted || is_busy || was_busy) return_freed_memory();
    was_busy = is_busy;
  }
}

}  // namespace greenroom::base
