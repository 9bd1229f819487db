// Owns the devices, the manager and the models, and wires them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "audio/buffer.h"
#include "base/clock.h"
#include "checkpoint/equal_files.h"
#include "core/manager.h"
#include "devices/discover.h"
#include "models/voice.h"

namespace greenroom::app {

// A device as the machine and the manager see it.
struct DeviceStatus {
  base::DeviceId id;
  std::string name;
  devices::DeviceMemory memory;  // what the system reports; zeros when it cannot be read
  std::string problem;           // why it cannot; empty when it can
  core::LedgerTotals ledger;     // what the manager knows
  std::vector<core::ComponentInfo> components;
};

struct Status {
  double uptime_seconds = 0;
  std::vector<DeviceStatus> devices;
  std::vector<core::ModelInfo> models;
};

// Thread-safe.
class Engine {
 public:
  // Finds the devices; loads nothing. Throws base::Error for a budget on a device that is not there.
  explicit Engine(Config config);

  // "auto" is the first GPU the models can use, else the CPU. Throws base::Error(kInvalidArgument).
  base::DeviceId pick_device(const std::string& name) const;

  // Puts a hold on the voice at `path`, loading it first if need be; returns its model id. Throws
  // base::Error.
  std::string load_voice(const std::filesystem::path& path, const std::string& device);

  // Throws base::Error as core::Manager::unload.
  void unload(const std::string& model_id, bool force);

  // REQUIRES: a hold on the model. Pins what each stage needs while it needs it. Throws base::Error.
  models::ConvertResult convert(const std::string& model_id, const audio::Buffer& input,
                                const models::ConvertOptions& options, const models::RunControl& control);

  Status status() const;
  const Config& config() const { return config_; }

 private:
  std::uint64_t host_cache_bytes() const;

  Config config_;
  base::SystemClock clock_;
  base::Clock::TimePoint started_;
  devices::Discovery discovery_;
  checkpoint::EqualFiles equal_files_;
  std::unique_ptr<core::Manager> manager_;
};

}  // namespace greenroom::app
