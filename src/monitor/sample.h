// What all devices said at one moment.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "devices/device.h"

namespace greenroom::monitor {

struct Reading {
  base::DeviceId device;
  std::string name;
  std::string uuid;                             // empty when the device has none
  std::string bus_id;                           // the same
  std::optional<devices::DeviceMemory> memory;  // absent when it could not be read
  devices::Telemetry telemetry;
  std::vector<devices::ProcessUse> processes;  // perhaps a few samples old
  std::string problem;                         // why something is absent; empty when nothing is
  bool answers = true;                         // false: the driver has not answered for too long

  // Of its memory, in percent; of a GPU without memory of its own: how much of the host's is taken.
  std::optional<double> memory_percent() const {
    if (!memory || memory->total == 0) return std::nullopt;
    constexpr double kPercent = 100;
    return kPercent * static_cast<double>(memory->used()) / static_cast<double>(memory->total);
  }
};

struct Sample {
  base::Clock::WallTime time;
  base::Clock::TimePoint at;
  std::vector<Reading> readings;  // in the order of the devices
};

}  // namespace greenroom::monitor
