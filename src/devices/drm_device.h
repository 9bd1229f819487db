// GPUs of AMD and Intel as the kernel's graphics drivers (amdgpu, i915, xe) describe them, with no library of
// their makers. The models do not run on these; they are there to be seen.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "devices/device.h"

namespace greenroom::devices {

// Thread-safe. Formats: the kernel's Documentation/gpu/drm-usage-stats.rst and amdgpu/driver-misc.rst.
class DrmDevice final : public Device {
 public:
  struct Options {
    std::filesystem::path root = "/";    // where /proc and /sys are
    const base::Clock* clock = nullptr;  // borrowed; the system's when absent
  };

  // All of them, by the number of their card.
  static std::vector<std::shared_ptr<const DrmDevice>> find(const Options& options);

  base::DeviceId id() const override { return {base::DeviceKind::kDrm, card_}; }
  std::string name() const override { return name_; }
  std::string bus_id() const override { return bus_id_; }
  DeviceMemory memory() const override;
  // The utilisation of a GPU whose driver counts engine time is of the time since the call before.
  Telemetry telemetry() const override EXCLUDES_LOCK(mutex_);
  // Of those processes that this one may look into.
  std::vector<ProcessUse> processes() const override;

 private:
  DrmDevice(const Options& options, int card, const std::string& driver);

  // What one open file of the GPU says.
  struct Client {
    std::uint64_t pid = 0;
    std::uint64_t bytes = 0;
    std::map<std::string, std::uint64_t> engine_ns;
  };
  std::map<std::string, Client> clients() const;  // by the driver's number of the client
  std::optional<int> engine_percent() const EXCLUDES_LOCK(mutex_);

  const Options options_;
  const int card_;
  const std::filesystem::path folder_;  // .../class/drm/cardN/device
  std::string driver_;
  std::string name_;
  std::string bus_id_;

  struct EngineTimes {
    base::Clock::TimePoint at;
    std::map<std::string, std::uint64_t> busy_ns;  // by engine
  };
  mutable base::Mutex mutex_;
  mutable std::optional<EngineTimes> before_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::devices
