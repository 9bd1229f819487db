// The one engine of a process that uses the C++ API: the only singleton of the project.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/engine.h"
#include "base/mutex.h"
#include "greenroom/init.h"
#include "greenroom/lifecycle.h"

namespace greenroom::api {

// Thread-safe.
class Process {
 public:
  static Process& instance();

  // The engine, started with the defaults when there is none. Whoever has it keeps it alive for the length of
  // a call. Throws base::Error.
  std::shared_ptr<app::Engine> engine() EXCLUDES_LOCK(mutex_);
  // Null when there is none.
  std::shared_ptr<app::Engine> running() const EXCLUDES_LOCK(mutex_);
  // False when there was one already. Throws base::Error, and remembers what.
  bool start(const InitOptions& options) EXCLUDES_LOCK(mutex_);
  // Returns when the engine is gone, with everything it had loaded: once all calls in progress have returned.
  void stop() EXCLUDES_LOCK(mutex_);
  std::string problem() const EXCLUDES_LOCK(mutex_);

  // Does `setup` to the engine there is now, if there is one, and to every one that is started later.
  void on_every_engine(std::function<void(app::Engine&)> setup) EXCLUDES_LOCK(mutex_);

  int listen(app::EventListener listener) EXCLUDES_LOCK(mutex_);
  bool stop_listening(int number) EXCLUDES_LOCK(mutex_);

 private:
  Process() = default;
  std::shared_ptr<app::Engine> start_locked(const InitOptions& options) REQUIRES_LOCK(mutex_);
  void destroy(const app::Engine* engine) EXCLUDES_LOCK(mutex_);

  mutable base::Mutex mutex_;  // held while the engine starts: whoever comes second waits for it
  std::shared_ptr<app::Engine> engine_ GUARDED_BY(mutex_);
  base::CondVar gone_;                // an engine is
  int alive_ GUARDED_BY(mutex_) = 0;  // engines, those that only calls in progress keep included
  std::string problem_ GUARDED_BY(mutex_);
  std::vector<std::function<void(app::Engine&)>> setups_ GUARDED_BY(mutex_);
  int last_listener_ GUARDED_BY(mutex_) = 0;
  std::map<int, app::Subscription> listeners_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::api
