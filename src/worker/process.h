// One worker process: started, listened to, ended.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/device_id.h"
#include "base/mutex.h"
#include "worker/connection.h"

namespace greenroom::worker {

// What to start: `program` with `arguments`, and behind them "--device NAME". The worker finds its end of the
// line at kChannelFile.
struct Launch {
  std::filesystem::path program = "/proc/self/exe";
  std::vector<std::string> arguments = {"worker"};
  std::string version;  // that the worker has to be of
};

inline constexpr int kChannelFile = 3;

// Thread-safe.
class Process {
 public:
  // Called from a thread of the process's own, once, when it ended without being asked to. Everything that it
  // held is lost by then.
  using OnDeath = std::function<void(const std::shared_ptr<Connection>& connection, const std::string& how)>;

  // `on_death` is not called for one that never said hello. Returns when it has said hello. Throws
  // base::Error: kUnavailable (it ended at once; the message says how), kFailedPrecondition (it is of another
  // version: the program was replaced meanwhile), kResourceExhausted.
  Process(base::DeviceId device, const Launch& launch, OnDeath on_death);
  // Ends it, with what it holds.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const std::shared_ptr<Connection>& connection() const { return connection_; }
  int pid() const { return pid_; }

 private:
  void spawn(base::DeviceId device, const Launch& launch, int channel);
  void listen(const OnDeath& on_death) EXCLUDES_LOCK(mutex_);
  std::string reap() EXCLUDES_LOCK(mutex_);
  void kill() EXCLUDES_LOCK(mutex_);

  std::shared_ptr<Connection> connection_;
  int pid_ = -1;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool greeted_ GUARDED_BY(mutex_) = false;
  bool ending_ GUARDED_BY(mutex_) = false;  // on purpose
  bool reaped_ GUARDED_BY(mutex_) = false;  // from then on the number may be somebody else's
  std::thread listener_;
};

}  // namespace greenroom::worker
