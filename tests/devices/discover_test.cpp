#include "devices/discover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/environment.h"
#include "support/nvml_scenario.h"

namespace greenroom::devices {
namespace {

using test::NvmlScenario;
using test::ScopedVariable;
using ::testing::HasSubstr;

constexpr std::string_view kTwo =
    "driver 560.1\ncuda 12040\ngpu A | GPU-a |\n memory 100 1\n cores 10 10\n"
    "gpu B | GPU-b |\n memory 200 1\n cores 20 20\n";

TEST(Discover, FindsTheCpuFirstAndSaysWhyThereIsNoGpu) {
  const ScopedVariable library("GREENROOM_NVML_LIBRARY", "/nowhere/libnvidia-ml.so.1");
  const Discovery found = discover();
  ASSERT_EQ(found.devices.size(), 1u);
  EXPECT_EQ(found.devices[0]->id(), (base::DeviceId{base::DeviceKind::kCpu, 0}));
  EXPECT_GT(found.devices[0]->memory().total, 0u);
  EXPECT_THAT(found.no_gpu_reason, HasSubstr("there is no NVIDIA driver"));
}

TEST(Discover, NumbersGpusAsCudaDoes) {
  const NvmlScenario scenario(kTwo);
  const ScopedVariable visible("CUDA_VISIBLE_DEVICES", "GPU-b,GPU-a");
  const Discovery found = discover();
  ASSERT_EQ(found.devices.size(), 3u);
  EXPECT_EQ(base::to_string(found.devices[1]->id()), "cuda:0");
  EXPECT_EQ(found.devices[1]->uuid(), "GPU-b");
  EXPECT_EQ(found.devices[2]->uuid(), "GPU-a");
  EXPECT_EQ(found.driver_version, "560.1");
  EXPECT_EQ(found.cuda_version, "12.4");
  EXPECT_EQ(found.no_gpu_reason, "");
  EXPECT_EQ(found.warning, "");
}

TEST(Discover, SaysThatTheOrderOfUnlikeGpusIsAGuess) {
  const NvmlScenario scenario(kTwo);
  const ScopedVariable order("CUDA_DEVICE_ORDER", "FASTEST_FIRST");
  const Discovery found = discover();
  EXPECT_EQ(found.devices.at(1)->uuid(), "GPU-b");
  EXPECT_THAT(found.warning, HasSubstr("PCI_BUS_ID"));
}

TEST(Discover, SaysWhyEveryGpuIsHidden) {
  const NvmlScenario scenario(kTwo);
  const ScopedVariable visible("CUDA_VISIBLE_DEVICES", "-1");
  EXPECT_EQ(discover().no_gpu_reason, "CUDA_VISIBLE_DEVICES=-1 hides every GPU");
  const NvmlScenario none("driver 1\n");
  EXPECT_THAT(discover().no_gpu_reason, HasSubstr("knows no GPU"));
}

TEST(Discover, AnInstanceIsADevice) {
  const NvmlScenario scenario("gpu H200 | GPU-m | 0:9\n memory 1000 900\n mig 3g | MIG-1 | 500 | 100\n");
  const Discovery found = discover();
  ASSERT_EQ(found.devices.size(), 2u);
  EXPECT_EQ(found.devices[1]->uuid(), "MIG-1");
  EXPECT_EQ(found.devices[1]->name(), "3g");
  EXPECT_EQ(found.devices[1]->bus_id(), "0:9");
  EXPECT_EQ(found.devices[1]->memory().total, 500u);
}

}  // namespace
}  // namespace greenroom::devices
