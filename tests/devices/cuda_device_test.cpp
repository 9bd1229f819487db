#include "devices/cuda_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "support/nvml_scenario.h"

namespace greenroom::devices {
namespace {

using test::NvmlScenario;
using ::testing::HasSubstr;

TEST(CudaDevice, IsWhatItWasToldToBe) {
  const NvmlScenario scenario("gpu Toy A | GPU-a | 0:1\n memory 100 40\n utilisation 30 7\n celsius 55\n");
  const CudaDevice device(Nvml::open(), {5, "GPU-a", "Toy A", "0:1"});
  EXPECT_EQ(device.id(), (base::DeviceId{base::DeviceKind::kCuda, 5}));
  EXPECT_EQ(device.name(), "Toy A");
  EXPECT_EQ(device.uuid(), "GPU-a");
  EXPECT_EQ(device.bus_id(), "0:1");
  EXPECT_EQ(device.memory().free, 60u);
  EXPECT_EQ(device.telemetry().utilisation_percent, 30);
  EXPECT_EQ(device.pcie_throughput(), std::nullopt);
}

TEST(CudaDevice, TellsOurProcessesFromOthers) {
  const NvmlScenario scenario("gpu A | GPU-a |\n memory 100 40\n process " + std::to_string(::getpid()) +
                              " 7\n process 4000000 5\n");
  const auto processes = CudaDevice(Nvml::open(), {0, "GPU-a"}).processes();
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_TRUE(processes[0].ours);
  EXPECT_THAT(processes[0].name, HasSubstr("greenroom"));
  EXPECT_FALSE(processes[1].ours);
  EXPECT_EQ(processes[1].name, "") << "of another container";
}

TEST(CudaDevice, AChildOfOursIsOurs) {
  const NvmlScenario scenario("gpu A | GPU-a |\n memory 100 40\n process 50 7\n");
  const auto& root = scenario.dir();
  std::filesystem::create_directories(root / "proc/50");
  root.write("proc/50/comm", "worker\n");
  root.write("proc/50/status", "Name:\tworker\nPPid:\t" + std::to_string(::getpid()) + "\n");
  const auto processes = CudaDevice(Nvml::open(), {0, "GPU-a"}, root.path()).processes();
  ASSERT_EQ(processes.size(), 1u);
  EXPECT_TRUE(processes[0].ours);
  EXPECT_EQ(processes[0].name, "worker");
}

TEST(CudaDevice, WithoutMemoryOfItsOwnSharesTheHosts) {
  const NvmlScenario scenario("gpu GB10 | GPU-u |\n unified\n process 50 1048576\n process 51 2097152\n");
  const auto& root = scenario.dir();
  std::filesystem::create_directories(root / "proc");
  root.write("proc/meminfo", "MemTotal: 131072 kB\nMemAvailable: 65536 kB\n");
  const auto memory = CudaDevice(Nvml::open(), {0, "GPU-u"}, root.path()).memory();
  EXPECT_TRUE(memory.shared_with_host);
  EXPECT_EQ(memory.total, 128u << 20);
  EXPECT_EQ(memory.free, 64u << 20);
  EXPECT_EQ(memory.gpu_used, 3u << 20) << "not what the host's other programs use";
}

TEST(CudaDevice, AnErrorNamesTheDeviceAsTheUserKnowsIt) {
  const NvmlScenario scenario("gpu A | GPU-a |\n fails 0 15\n memory 100 40\n");
  try {
    static_cast<void>(CudaDevice(Nvml::open(), {3, "GPU-a"}).memory());
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cuda:3: GPU-a: the GPU is lost"));
  }
}

}  // namespace
}  // namespace greenroom::devices
