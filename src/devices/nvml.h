// NVIDIA's management library, opened at run time, and the GPUs it knows.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "devices/device.h"
#include "devices/nvml_readings.h"

namespace greenroom::devices {

// GPUs are known by their UUID: indices and handles change when the driver is started again, which happens
// here when a GPU was lost, at growing intervals until it is back. Thread-safe; a call that the driver does
// not answer blocks its own thread only.
class Nvml {
 public:
  // A part of a GPU that NVIDIA's MIG made a device of its own.
  struct Instance {
    std::string uuid;  // "MIG-..."
    std::string name;
  };
  struct Gpu {
    std::string uuid;  // "GPU-..."
    std::string name;
    std::string bus_id;
    bool is_mig = false;
    std::vector<Instance> instances;
    double speed = 0;  // cores times clock, to compare GPUs with; 0 when the driver does not tell
  };

  // Without a name: $GREENROOM_NVML_LIBRARY, or libnvidia-ml.so.1, or the one of Windows' Linux subsystem.
  // Null when the machine has no NVIDIA driver that works: a normal answer. `reason`, when given, then says
  // why. `clock` is borrowed; the system's when absent.
  static std::shared_ptr<const Nvml> open(const std::string& library = "", std::string* reason = nullptr,
                                          const base::Clock* clock = nullptr);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  std::string driver_version() const;                     // "550.54.15"; empty when NVML does not tell
  std::string cuda_version() const;                       // the newest that the driver can do: "12.4"
  const std::vector<Gpu>& gpus() const { return gpus_; }  // in NVML's (PCI bus) order, as they were at open()

  // Of a GPU or an instance. Each throws base::Error(kUnavailable) when the driver cannot say (any more).
  DeviceMemory memory(const std::string& uuid) const EXCLUDES_LOCK(mutex_);
  Telemetry telemetry(const std::string& uuid) const EXCLUDES_LOCK(mutex_);
  std::vector<ProcessUse> processes(const std::string& uuid) const EXCLUDES_LOCK(mutex_);
  std::optional<PcieThroughput> pcie_throughput(const std::string& uuid) const EXCLUDES_LOCK(mutex_);

 private:
  // A GPU whose last answer was trouble is asked again only after the driver was started again.
  struct Entry {
    nvml::Subject subject;
    bool present = false;
    nvml::Result trouble = nvml::kSuccess;
    base::Clock::TimePoint retry_at{};
    int failures = 0;
    bool tells_errors = false;  // the driver reports its XIDs
    std::uint64_t xid_errors = 0;
    std::optional<int> last_xid;
    base::Clock::TimePoint last_xid_at{};
    std::uint64_t utilisation_seen_us = 0;
  };
  using Found = std::vector<std::pair<std::string, nvml::Subject>>;
  class Visit;
  friend class Visit;

  Nvml(std::unique_ptr<const nvml::Table> table, const base::Clock& clock);
  Found enumerate(std::vector<Gpu>* gpus) const;
  // REQUIRES: no call of the driver is under way.
  std::vector<std::string> listen(const Found& found) const EXCLUDES_LOCK(mutex_);
  void stop_listening() const EXCLUDES_LOCK(mutex_);
  // The errors that came since the last look. REQUIRES: within a Visit.
  void hear_errors() const EXCLUDES_LOCK(mutex_);
  void note_error(const nvml::EventData& event) const EXCLUDES_LOCK(mutex_);
  nvml::Subject enter(const std::string& uuid) const EXCLUDES_LOCK(mutex_);
  void leave(const std::string& uuid, bool answered) const EXCLUDES_LOCK(mutex_);
  void postpone(Entry& entry) const REQUIRES_LOCK(mutex_);
  void restart() const EXCLUDES_LOCK(mutex_);
  bool may_restart(const Entry& entry) const REQUIRES_LOCK(mutex_);
  static std::string why(const Entry& entry);
  [[noreturn]] void fail(const std::string& uuid, nvml::Result result) const EXCLUDES_LOCK(mutex_);

  const std::unique_ptr<const nvml::Table> table_;
  const base::Clock& clock_;
  std::vector<Gpu> gpus_;

  mutable base::Mutex mutex_;
  mutable std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
  mutable int visits_ GUARDED_BY(mutex_) = 0;  // calls under way
  mutable bool restarting_ GUARDED_BY(mutex_) = false;
  mutable nvml::Handle events_ GUARDED_BY(mutex_) = nullptr;  // the driver's queue of errors
  mutable bool hearing_ GUARDED_BY(mutex_) = false;           // somebody looks into it
};

}  // namespace greenroom::devices
