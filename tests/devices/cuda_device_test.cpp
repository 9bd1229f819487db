#include "devices/cuda_device.h"

#include <gtest/gtest.h>

namespace greenroom::devices {
namespace {

TEST(CudaDevice, ReportsWhatNvmlTells) {
  const auto nvml = Nvml::open(GREENROOM_FAKE_NVML);
  ASSERT_TRUE(nvml);
  EXPECT_EQ(nvml->device_count(), 2u);
  EXPECT_EQ(nvml->driver_version(), "1.2.3");
  const CudaDevice device(nvml, nvml->device(0).value(), 5);
  EXPECT_EQ(device.id(), (base::DeviceId{base::DeviceKind::kCuda, 5}));
  EXPECT_EQ(device.name(), "Toy A");
  EXPECT_EQ(device.uuid(), "GPU-a");
  EXPECT_EQ(device.memory().total, 100u);
  EXPECT_EQ(device.memory().free, 60u);
  EXPECT_EQ(device.telemetry().utilisation_percent, 30);
  EXPECT_EQ(device.telemetry().temperature_celsius, 55);
}

TEST(CudaDevice, LeavesOutWhatNvmlDoesNotTell) {
  const auto nvml = Nvml::open(GREENROOM_FAKE_NVML);
  ASSERT_TRUE(nvml);
  const CudaDevice device(nvml, nvml->device(1).value(), 0);
  EXPECT_EQ(device.telemetry().utilisation_percent, std::nullopt);
  EXPECT_EQ(device.telemetry().temperature_celsius, std::nullopt);
  EXPECT_EQ(nvml->device(2), std::nullopt);
}

}  // namespace
}  // namespace greenroom::devices
