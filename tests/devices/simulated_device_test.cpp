#include "devices/simulated_device.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace greenroom::devices {
namespace {

const base::DeviceId kGpu{base::DeviceKind::kCuda, 1};

TEST(SimulatedDevice, ReportsWhatItIsTold) {
  SimulatedDevice device(kGpu, {100, 40}, "toy");
  EXPECT_EQ(device.id(), kGpu);
  EXPECT_EQ(device.name(), "toy");
  EXPECT_EQ(device.memory().used(), 60u);
  EXPECT_EQ(device.telemetry().temperature_celsius, std::nullopt);

  device.set_memory({100, 10});
  device.set_telemetry({.utilisation_percent = 50, .temperature_celsius = 70});
  EXPECT_EQ(device.memory().free, 10u);
  EXPECT_EQ(device.telemetry().utilisation_percent, 50);
}

TEST(SimulatedDevice, IsUnavailableWhileLost) {
  SimulatedDevice device(kGpu, {100, 40});
  device.set_lost(true);
  EXPECT_THROW(device.memory(), base::Error);
  EXPECT_THROW(device.telemetry(), base::Error);
  device.set_lost(false);
  EXPECT_EQ(device.memory().total, 100u);
}

}  // namespace
}  // namespace greenroom::devices
