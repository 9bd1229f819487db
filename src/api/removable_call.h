// A function of the program's that it can take away again.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "greenroom/error_handler.h"

namespace greenroom::api {

// Thread-safe. No lock is held during a call.
class RemovableCall {
 public:
  using Function = std::function<bool(const ErrorContext&)>;

  explicit RemovableCall(Function function);

  // What the function says; false once it was removed. Throws what it throws.
  bool operator()(const ErrorContext& context) EXCLUDES_LOCK(mutex_);
  // From here on it is not called, and what it holds is released. Waits for calls in progress, unless it
  // comes from within one.
  void remove() EXCLUDES_LOCK(mutex_);
  bool is_removed() const EXCLUDES_LOCK(mutex_);

 private:
  class Running;
  bool is_running_elsewhere() const REQUIRES_LOCK(mutex_);

  mutable base::Mutex mutex_;
  base::CondVar returned_;
  std::shared_ptr<const Function> function_ GUARDED_BY(mutex_);  // null once removed
  std::vector<std::thread::id> running_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::api
