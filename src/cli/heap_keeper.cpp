#include "cli/heap_keeper.h"

#include <chrono>
#include <utility>

#include "base/heap.h"

namespace greenroom::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kInterval{5};

bool frees_memory(core::EventType type) {
  return type == core::EventType::kUnloadCompleted || type == core::EventType::kEvicted;
}

}  // namespace

HeapKeeper::HeapKeeper(app::Engine& engine)
    : engine_(engine),
      events_(engine.events().subscribe([this](const core::Event& event) {
        if (!frees_memory(event.type)) return;
        base::MutexLock lock(mutex_);
        is_wanted_ = true;
        changed_.notify_all();
      })),
      thread_([this] { run(); }) {}

HeapKeeper::~HeapKeeper() {
  events_ = app::Subscription();
  {
    base::MutexLock lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void HeapKeeper::run() {
  bool was_busy = false;
  for (;;) {
    const auto next = steady_clock::now() + kInterval;
    bool is_wanted = false;
    {
      base::MutexLock lock(mutex_);
      while (!is_over_ && !is_wanted_ && steady_clock::now() < next) changed_.wait_until(mutex_, next);
      if (is_over_) return;
      is_wanted = std::exchange(is_wanted_, false);
    }
    // Once more after the last inference: what it used is free only then.
    const bool is_busy = engine_.requests().quiet_for() < kInterval;
    if (is_wanted || is_busy || was_busy) base::return_freed_memory();
    was_busy = is_busy;
  }
}

}  // namespace greenroom::cli
