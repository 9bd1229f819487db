#include "api/removable_call.h"

#include <algorithm>
#include <utility>

namespace greenroom::api {

// One call in progress: has the function for as long as it lasts, or null when it was removed.
class RemovableCall::Running {
 public:
  explicit Running(RemovableCall& call) : call_(call) {
    base::MutexLock lock(call_.mutex_);
    function_ = call_.function_;
    call_.running_.push_back(std::this_thread::get_id());
  }
  ~Running() {
    function_.reset();  // before a remove() that waits returns
    base::MutexLock lock(call_.mutex_);
    auto& running = call_.running_;
    running.erase(std::find(running.begin(), running.end(), std::this_thread::get_id()));
    call_.returned_.notify_all();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  const Function* function() const { return function_.get(); }

 private:
  RemovableCall& call_;
  std::shared_ptr<const Function> function_;
};

RemovableCall::RemovableCall(Function function)
    : function_(std::make_shared<const Function>(std::move(function))) {}

bool RemovableCall::operator()(const ErrorContext& context) {
  const Running running(*this);
  return running.function() != nullptr && (*running.function())(context);
}

void RemovableCall::remove() {
  std::shared_ptr<const Function> ended;  // destroyed without the lock
  base::MutexLock lock(mutex_);
  ended = std::move(function_);
  function_.reset();
  while (is_running_elsewhere()) returned_.wait(mutex_);
}

bool RemovableCall::is_removed() const {
  base::MutexLock lock(mutex_);
  return function_ == nullptr;
}

bool RemovableCall::is_running_elsewhere() const {
  return std::any_of(running_.begin(), running_.end(),
                     [](std::thread::id id) { return id != std::this_thread::get_id(); });
}

}  // namespace greenroom::api
