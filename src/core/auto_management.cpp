#include "core/auto_management.h"

#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace greenroom::core {

using base::MutexLock;

AutoManagement::AutoManagement(const base::Clock& clock, std::chrono::nanoseconds interval,
                               std::vector<Duty> duties)
    : clock_(clock), interval_(interval), duties_(std::move(duties)) {}

AutoManagement::~AutoManagement() {
  stop();
}

void AutoManagement::start() {
  MutexLock lock(mutex_);
  if (thread_.joinable()) return;
  thread_ = std::thread([this, period = ++period_] { run(period); });
}

void AutoManagement::stop() {
  std::thread ending;
  {
    MutexLock lock(mutex_);
    ++period_;
    ending = std::move(thread_);
    changed_.notify_all();
  }
  if (ending.joinable()) ending.join();
}

void AutoManagement::wake() {
  MutexLock lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

bool AutoManagement::is_running() const {
  MutexLock lock(mutex_);
  return thread_.joinable();
}

void AutoManagement::run_once() {
  for (const Duty& duty : duties_) {
    try {
      duty.act();
    } catch (const base::Error& error) {
      base::log(base::LogLevel::kWarning, "core", duty.name + ": " + error.what());
    }
  }
}

void AutoManagement::run(std::uint64_t period) {
  for (;;) {
    run_once();
    MutexLock lock(mutex_);
    const auto next = clock_.now() + interval_;
    while (period_ == period && !woken_ && clock_.now() < next) clock_.wait_until(changed_, mutex_, next);
    if (period_ != period) return;
    woken_ = false;
  }
}

}  // namespace greenroom::core
