#include "devices/cpu_device.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace greenroom::devices {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

// A machine of 1024 MiB, 512 of them available, as files below a folder.
class CpuDeviceTest : public ::testing::Test {
 protected:
  CpuDeviceTest() {
    write("proc/meminfo",
          "MemTotal:        1048576 kB\nMemFree:          102400 kB\nMemAvailable:     524288 kB\n");
  }

  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((files_ / name).parent_path());
    files_.write(name, text);
  }

  DeviceMemory memory(std::optional<std::uint64_t> budget = std::nullopt) const {
    return CpuDevice({.budget_bytes = budget, .root = files_.path()}).memory();
  }

  test::TempDir files_;
};

TEST_F(CpuDeviceTest, ReportsWhatTheMachineHasAvailable) {
  EXPECT_EQ(memory().total, 1024 * kMiB);
  EXPECT_EQ(memory().free, 512 * kMiB);
}

TEST_F(CpuDeviceTest, FallsBackToFreeMemoryOnOldKernels) {
  write("proc/meminfo", "MemTotal: 1048576 kB\nMemFree: 102400 kB\n");
  EXPECT_EQ(memory().free, 100 * kMiB);
}

TEST_F(CpuDeviceTest, ReportsTheLimitOfItsControlGroupVersion2WithoutDroppableCache) {
  write("proc/self/cgroup", "0::/app\n");
  write("sys/fs/cgroup/app/memory.max", "268435456\n");
  write("sys/fs/cgroup/app/memory.current", "125829120\n");
  write("sys/fs/cgroup/app/memory.stat", "anon 5\ninactive_file 20971520\nactive_file 7\n");
  EXPECT_EQ(memory().total, 256 * kMiB);
  EXPECT_EQ(memory().free, (256 - 100) * kMiB);
}

TEST_F(CpuDeviceTest, AGroupAboveBindsToo) {
  write("proc/self/cgroup", "0::/outer/inner\n");
  write("sys/fs/cgroup/outer/memory.max", "134217728\n");
  write("sys/fs/cgroup/outer/memory.current", "104857600\n");
  write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  EXPECT_EQ(memory().total, 128 * kMiB);
  EXPECT_EQ(memory().free, 28 * kMiB);
}

TEST_F(CpuDeviceTest, InAContainerTheMountIsTheGroup) {
  write("proc/self/cgroup", "0::/not/visible/here\n");
  write("sys/fs/cgroup/memory.max", "134217728\n");
  write("sys/fs/cgroup/memory.current", "0\n");
  EXPECT_EQ(memory().total, 128 * kMiB);
}

TEST_F(CpuDeviceTest, ReportsTheLimitOfItsControlGroupVersion1) {
  write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:hugetlb,memory:/job\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "268435456\n");
  write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "104857600\n");
  EXPECT_EQ(memory().total, 256 * kMiB);
  EXPECT_EQ(memory().free, 156 * kMiB);
}

TEST_F(CpuDeviceTest, AnExceededLimitLeavesNothing) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "1000\n");
  write("sys/fs/cgroup/memory.current", "2000\n");
  EXPECT_EQ(memory().free, 0u);
}

TEST_F(CpuDeviceTest, TheBudgetCountsWhatTheProcessHasAlready) {
  write("proc/self/status", "Name:\tx\nVmRSS:\t   10240 kB\n");
  EXPECT_EQ(memory(100 * kMiB).total, 100 * kMiB);
  EXPECT_EQ(memory(100 * kMiB).free, 90 * kMiB);
  EXPECT_EQ(memory(4096 * kMiB).total, 1024 * kMiB) << "the machine's own limit binds";
}

TEST_F(CpuDeviceTest, WithoutMeminfoItIsUnavailable) {
  write("proc/meminfo", "nothing of use\n");
  EXPECT_THROW(memory(), base::Error);
}

TEST_F(CpuDeviceTest, CountsTheProcessorsItMayUse) {
  write("sys/devices/system/cpu/online", "0-15\n");
  write("proc/self/status", "Cpus_allowed_list:\t0-3,8\n");
  const CpuDevice device({.root = files_.path()});
  EXPECT_EQ(device.telemetry().cores, 5);
  write("proc/self/cgroup", "0::/outer/inner\n");
  write("sys/fs/cgroup/outer/cpu.max", "250000 100000\n");
  write("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
  EXPECT_EQ(device.telemetry().cores, 2.5) << "a group above binds too";
}

TEST_F(CpuDeviceTest, CountsTheQuotaOfVersion1) {
  write("proc/self/cgroup", "3:cpu,cpuacct:/job\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "50000\n");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(CpuDevice({.root = files_.path()}).telemetry().cores, 0.5);
}

TEST_F(CpuDeviceTest, UtilisationIsOfTheTimeSinceTheLastReading) {
  write("proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n");
  const CpuDevice device({.root = files_.path()});
  EXPECT_EQ(device.telemetry().utilisation_percent, std::nullopt) << "nothing to compare with yet";
  write("proc/stat", "cpu  120 0 105 760 115 0 0 0 0 0\n");
  EXPECT_EQ(device.telemetry().utilisation_percent, 25);
  EXPECT_EQ(device.telemetry().utilisation_percent, std::nullopt) << "no time has passed";
}

TEST_F(CpuDeviceTest, UtilisationIsOfTheQuotaWhereThatBinds) {
  test::FakeClock clock;
  write("proc/self/cgroup", "0::/app\n");
  write("sys/devices/system/cpu/online", "0-15\n");
  write("sys/fs/cgroup/app/cpu.max", "200000 100000\n");
  write("sys/fs/cgroup/app/cpu.stat", "usage_usec 1000000\n");
  const CpuDevice device({.root = files_.path(), .clock = &clock});
  EXPECT_EQ(device.telemetry().utilisation_percent, std::nullopt);
  clock.advance(std::chrono::seconds(1));
  write("sys/fs/cgroup/app/cpu.stat", "usage_usec 2500000\n");
  EXPECT_EQ(device.telemetry().utilisation_percent, 75) << "1.5 of 2 seconds";
}

TEST_F(CpuDeviceTest, TakesItsTemperatureFromTheProcessorsSensors) {
  write("sys/class/hwmon/hwmon0/name", "nvme\n");
  write("sys/class/hwmon/hwmon0/temp1_input", "99000\n");
  write("sys/class/hwmon/hwmon1/name", "coretemp\n");
  write("sys/class/hwmon/hwmon1/temp1_input", "61000\n");
  EXPECT_EQ(CpuDevice({.root = files_.path()}).telemetry().temperature_celsius, 61);
}

TEST_F(CpuDeviceTest, TakesItsNameFromTheSystem) {
  const CpuDevice device({.root = files_.path()});
  EXPECT_EQ(device.name(), "CPU");
  write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Toy 9000\n");
  EXPECT_EQ(device.name(), "Toy 9000");
}

}  // namespace
}  // namespace greenroom::devices
