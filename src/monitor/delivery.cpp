#include "monitor/delivery.h"

#include <spdlog/fmt/fmt.h>

#include <exception>
#include <utility>

#include "base/log.h"

namespace greenroom::monitor {

Delivery::Delivery(std::string name, std::size_t max_queued)
    : name_(std::move(name)), max_queued_(max_queued), thread_([this] { run(); }) {}

Delivery::~Delivery() {
  end();
}

void Delivery::end() {
  {
    base::MutexLock lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    queue_.clear();
    changed_.notify_all();
  }
  thread_.join();
}

void Delivery::post(Job job) {
  base::MutexLock lock(mutex_);
  if (stopping_) return;
  if (queue_.size() >= max_queued_) {
    queue_.pop_front();
    ++dropped_;
  }
  queue_.push_back(std::move(job));
  changed_.notify_all();
}

void Delivery::drain() {
  base::MutexLock lock(mutex_);
  while (busy_ || !queue_.empty()) changed_.wait(mutex_);
}

std::uint64_t Delivery::dropped() const {
  base::MutexLock lock(mutex_);
  return dropped_;
}

std::uint64_t Delivery::failed() const {
  base::MutexLock lock(mutex_);
  return failed_;
}

bool Delivery::try_job(const Job& job) const {
  std::string problem = "an exception of unknown type";
  try {
    job();
    return true;
  } catch (const std::exception& error) {
    problem = error.what();
  } catch (...) {
  }
  base::log(base::LogLevel::kWarning, "monitor", fmt::format("{}: {}", name_, problem));
  return false;
}

void Delivery::run() {
  while (true) {
    Job job;
    {
      base::MutexLock lock(mutex_);
      while (!stopping_ && queue_.empty()) changed_.wait(mutex_);
      if (stopping_) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
    }
    const bool done = try_job(job);
    job = nullptr;  // what it holds goes before anybody is told that it is over
    base::MutexLock lock(mutex_);
    busy_ = false;
    if (!done) ++failed_;
    changed_.notify_all();
  }
}

}  // namespace greenroom::monitor
