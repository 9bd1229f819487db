// A mutex that clang's -Wthread-safety understands (libstdc++'s are not annotated).
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define GREENROOM_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define GREENROOM_THREAD_ANNOTATION(x)
#endif

#define GUARDED_BY(x) GREENROOM_THREAD_ANNOTATION(guarded_by(x))
#define REQUIRES_LOCK(...) GREENROOM_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES_LOCK(...) GREENROOM_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace greenroom::base {

class GREENROOM_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void lock() GREENROOM_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void unlock() GREENROOM_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds the mutex for its own lifetime.
class GREENROOM_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) GREENROOM_THREAD_ANNOTATION(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() GREENROOM_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// REQUIRES: the mutex is held by the caller; it is again when wait returns. May wake without cause.
class CondVar {
 public:
  void wait(Mutex& mutex) REQUIRES_LOCK(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // The same, but returns at `deadline` at the latest. Who has a Clock asks that instead (Clock::wait_until).
  void wait_until(Mutex& mutex, std::chrono::steady_clock::time_point deadline) REQUIRES_LOCK(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_until(lock, deadline);
    lock.release();
  }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace greenroom::base
