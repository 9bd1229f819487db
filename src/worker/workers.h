// The worker processes of this one, one per device: started when they are needed, ended when they hold
// nothing, started again when they died.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/device_id.h"
#include "base/mutex.h"
#include "worker/process.h"

namespace greenroom::worker {

struct WorkersOptions {
  Launch launch;
  // One that holds nothing and does nothing for that long is ended: then the driver has everything back, its
  // context included, and the device can sleep.
  std::chrono::nanoseconds idle = std::chrono::seconds(60);
  // After so many in a row that died before they were of any use, the next is not started for a while; the
  // while doubles.
  int most_useless = 3;
  std::chrono::nanoseconds first_pause = std::chrono::seconds(2);
  std::chrono::nanoseconds longest_pause = std::chrono::minutes(2);
};

struct WorkerInfo {
  base::DeviceId device;
  int pid = 0;
  std::size_t held = 0;  // components and images in it
  int deaths = 0;        // of workers of this device so far, without being asked to
  std::string last_death;
};

// Thread-safe.
class Workers {
 public:
  // Called when a worker died, from a thread of its own; what it held is lost by then
  // (core::LoadedComponent::is_lost). May call back, but for its destructor.
  using OnLost = std::function<void(base::DeviceId device, const std::string& how)>;

  // Borrows the clock.
  Workers(WorkersOptions options, const base::Clock& clock);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Replaces the one there is. Returns when no call of the old one is under way.
  void set_on_lost(OnLost on_lost) EXCLUDES_LOCK(mutex_);

  // The worker of that device, started if there is none. Throws base::Error as Process; kUnavailable with
  // retry_after while the last ones died too quickly.
  std::shared_ptr<Connection> connect(base::DeviceId device) EXCLUDES_LOCK(mutex_);
  // Null when there is none.
  std::shared_ptr<Connection> find(base::DeviceId device) const EXCLUDES_LOCK(mutex_);
  // All there are.
  std::vector<std::shared_ptr<Connection>> connections() const EXCLUDES_LOCK(mutex_);
  std::vector<WorkerInfo> list() const EXCLUDES_LOCK(mutex_);

  // Ends those that have been idle for long enough. Called now and then; returns how many it ended.
  int end_idle() EXCLUDES_LOCK(mutex_);

 private:
  struct Seat {
    std::shared_ptr<Process> process;
    bool starting = false;
    int useless = 0;  // in a row
    int deaths = 0;
    std::string last_death;
    base::Clock::TimePoint not_before;
    std::optional<base::Clock::TimePoint> idle_since;
  };

  std::shared_ptr<Process> start(base::DeviceId device) EXCLUDES_LOCK(mutex_);
  void note_death(const std::shared_ptr<Connection>& connection, const std::string& how)
      EXCLUDES_LOCK(mutex_);
  void note_uselessness(Seat& seat) REQUIRES_LOCK(mutex_);

  const WorkersOptions options_;
  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::map<base::DeviceId, Seat> seats_ GUARDED_BY(mutex_);
  // Died; joined by whoever comes next, since their own threads cannot.
  std::vector<std::shared_ptr<Process>> dead_ GUARDED_BY(mutex_);
  std::shared_ptr<const OnLost> on_lost_ GUARDED_BY(mutex_);
  int in_callback_ GUARDED_BY(mutex_) = 0;
};

}  // namespace greenroom::worker
