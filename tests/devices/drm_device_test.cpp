#include "devices/drm_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace greenroom::devices {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

// A machine's /proc and /sys as files below a folder.
class DrmDeviceTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((files_ / name).parent_path());
    files_.write(name, text);
  }

  void write_card(int card, const std::string& driver, const std::string& slot) const {
    write("sys/class/drm/card" + std::to_string(card) + "/device/uevent",
          "DRIVER=" + driver + "\nPCI_ID=1002:744C\nPCI_SLOT_NAME=" + slot + "\n");
  }

  std::vector<std::shared_ptr<const DrmDevice>> find() const {
    return DrmDevice::find({files_.path(), &clock_});
  }

  test::TempDir files_;
  test::FakeClock clock_;
};

TEST_F(DrmDeviceTest, FindsGpusOfAmdAndIntelAndNothingElse) {
  write_card(2, "xe", "0000:03:00.0");
  write_card(0, "amdgpu", "0000:0a:00.0");
  write_card(1, "nvidia", "0000:01:00.0");
  write("sys/class/drm/card0-HDMI-A-1/status", "connected\n");
  write("sys/class/drm/card0/device/product_name", "Radeon RX 7900 XTX\n");
  const auto devices = find();
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(base::to_string(devices[0]->id()), "drm:0");
  EXPECT_EQ(devices[0]->name(), "AMD Radeon RX 7900 XTX");
  EXPECT_EQ(devices[0]->bus_id(), "0000:0a:00.0");
  EXPECT_EQ(devices[1]->name(), "Intel GPU 1002:744C");
}

TEST_F(DrmDeviceTest, ReadsWhatAmdgpuTells) {
  write_card(0, "amdgpu", "0000:0a:00.0");
  const std::string device = "sys/class/drm/card0/device/";
  write(device + "mem_info_vram_total", "25753026560\n");
  write(device + "mem_info_vram_used", "1073741824\n");
  write(device + "gpu_busy_percent", "63\n");
  write(device + "mem_busy_percent", "21\n");
  write(device + "hwmon/hwmon3/temp1_input", "57000\n");
  write(device + "hwmon/hwmon3/power1_average", "213000000\n");
  write(device + "hwmon/hwmon3/power1_cap", "339000000\n");
  const auto gpu = find().at(0);
  EXPECT_EQ(gpu->memory().total, 25753026560u);
  EXPECT_EQ(gpu->memory().used(), 1024 * kMiB);
  const auto telemetry = gpu->telemetry();
  EXPECT_EQ(telemetry.utilisation_percent, 63);
  EXPECT_EQ(telemetry.memory_utilisation_percent, 21);
  EXPECT_EQ(telemetry.temperature_celsius, 57);
  EXPECT_EQ(telemetry.power_watts, 213);
  EXPECT_EQ(telemetry.power_limit_watts, 339);
}

TEST_F(DrmDeviceTest, DoesNotWakeASleepingGpu) {
  write_card(0, "amdgpu", "0000:0a:00.0");
  write("sys/class/drm/card0/device/gpu_busy_percent", "63\n");
  write("sys/class/drm/card0/device/power/runtime_status", "suspended\n");
  EXPECT_EQ(find().at(0)->telemetry().utilisation_percent, std::nullopt);
}

TEST_F(DrmDeviceTest, CountsThePartOfTheHostsMemoryThatProgramsHoldThroughAnIntelGpu) {
  write_card(1, "i915", "0000:00:02.0");
  write("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n");
  write("proc/100/comm", "blender\n");
  const std::string head = "pos:\t0\ndrm-driver:\ti915\ndrm-pdev:\t0000:00:02.0\ndrm-client-id:\t";
  write("proc/100/fdinfo/5", head + "7\ndrm-total-system0:\t2048 KiB\ndrm-engine-render:\t1000000000 ns\n");
  write("proc/100/fdinfo/6", head + "7\ndrm-total-system0:\t2048 KiB\ndrm-engine-render:\t1000000000 ns\n");
  write("proc/200/fdinfo/3", head + "9\ndrm-total-system0:\t3 MiB\ndrm-engine-capacity-render:\t1\n");
  write("proc/200/fdinfo/4", "drm-pdev:\t0000:0a:00.0\ndrm-client-id:\t1\ndrm-total-system0:\t9 MiB\n");
  const auto gpu = find().at(0);
  const auto memory = gpu->memory();
  EXPECT_TRUE(memory.shared_with_host);
  EXPECT_EQ(memory.total, 16384 * kMiB);
  EXPECT_EQ(memory.gpu_used, 5 * kMiB) << "a client that two files have open is there once";
  const auto processes = gpu->processes();
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_EQ(processes[0].name, "blender");
  EXPECT_EQ(processes[0].bytes, 2 * kMiB);
}

TEST_F(DrmDeviceTest, WorksOutUtilisationFromTheTimeOfItsEngines) {
  write_card(1, "xe", "0000:03:00.0");
  const std::string head = "drm-pdev:\t0000:03:00.0\ndrm-client-id:\t7\n";
  write("proc/100/fdinfo/5", head + "drm-engine-render:\t1000000000 ns\ndrm-engine-copy:\t0 ns\n");
  const auto gpu = find().at(0);
  EXPECT_EQ(gpu->telemetry().utilisation_percent, std::nullopt) << "nothing to compare with yet";
  clock_.advance(std::chrono::seconds(2));
  write("proc/100/fdinfo/5", head + "drm-engine-render:\t2000000000 ns\ndrm-engine-copy:\t200000000 ns\n");
  EXPECT_EQ(gpu->telemetry().utilisation_percent, 50) << "the busiest engine's";
}

TEST_F(DrmDeviceTest, AGpuThatWasTakenOutIsUnavailable) {
  write_card(0, "amdgpu", "0000:0a:00.0");
  const auto gpu = find().at(0);
  std::filesystem::remove_all(files_ / "sys");
  EXPECT_THROW(static_cast<void>(gpu->memory()), base::Error);
}

TEST_F(DrmDeviceTest, ADamagedFileIsNoReading) {
  write_card(0, "amdgpu", "0000:0a:00.0");
  write("sys/class/drm/card0/device/mem_info_vram_total", "99999999999999999999999999\n");
  write("sys/class/drm/card0/device/gpu_busy_percent", "250\n");
  write("proc/100/fdinfo/5", "drm-pdev:\t0000:0a:00.0\ndrm-client-id:\nnonsense\ndrm-total-vram:\t-5 GiB\n");
  write("proc/meminfo", "MemTotal: 16 kB\nMemAvailable: 8 kB\n");
  const auto gpu = find().at(0);
  EXPECT_EQ(gpu->telemetry().utilisation_percent, std::nullopt);
  EXPECT_EQ(gpu->memory().gpu_used, 0u);
}

}  // namespace
}  // namespace greenroom::devices
