#include "app/monitoring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "app/engine.h"
#include "base/log.h"
#include "devices/simulated_device.h"
#include "support/fake_clock.h"
#include "support/nvml_scenario.h"

namespace greenroom::app {
namespace {

using devices::SimulatedDevice;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

class MonitoringTest : public testing::Test {
 protected:
  MonitoringTest() { base::set_log_level("error"); }
  ~MonitoringTest() override { base::set_log_level("warning"); }

  std::vector<std::shared_ptr<const devices::Device>> devices() const { return {cpu_, gpu_}; }

  std::shared_ptr<SimulatedDevice> cpu_ =
      std::make_shared<SimulatedDevice>(base::DeviceId{}, devices::DeviceMemory{100'000, 90'000}, "host");
  std::shared_ptr<SimulatedDevice> gpu_ =
      std::make_shared<SimulatedDevice>(kGpu, devices::DeviceMemory{100'000, 90'000}, "toy");
  test::FakeClock clock_;
  test::TempDir dir_;
};

TEST_F(MonitoringTest, HandsOnItsAlerts) {
  std::promise<monitor::MemoryAlert> alerted;
  gpu_->set_memory({100'000, 5'000});
  Monitoring monitoring(devices(), clock_, {}, "",
                        {[&](const monitor::MemoryAlert& alert) { alerted.set_value(alert); }});
  EXPECT_FALSE(monitoring.latest());
  monitoring.start();
  EXPECT_EQ(alerted.get_future().get().alert_type, "critical");
  EXPECT_TRUE(monitoring.latest());
}

TEST_F(MonitoringTest, TheHistorySurvivesARestart) {
  MonitoringSettings settings;
  std::vector<monitor::HistoryPoint> before;
  {
    Monitoring monitoring(devices(), clock_, settings, dir_.path(), {});
    monitoring.start();
    monitoring.monitor().stop_monitoring();
    for (int i = 0; i < 3; ++i) {
      monitoring.monitor().sample();
      clock_.advance(minutes(1));
    }
    monitoring.monitor().sample();
    monitoring.monitor().drain_callbacks();
    before = monitoring.monitor().get_memory_history(60);
  }
  Monitoring monitoring(devices(), clock_, settings, dir_.path(), {});
  EXPECT_TRUE(monitoring.monitor().get_memory_history(60).empty());
  monitoring.start();
  monitoring.monitor().stop_monitoring();
  const auto after = monitoring.monitor().get_memory_history(60);
  const auto restored =
      std::count_if(after.begin(), after.end(), [](const auto& point) { return point.is_minute; });
  EXPECT_EQ(restored, 6) << "three minutes of two devices";
  EXPECT_EQ(after.front().total / 1024, 100'000u / 1024);
}

TEST_F(MonitoringTest, AFolderThatCannotBeUsedLosesTheFileAndNothingElse) {
  const auto file = dir_.write("not-a-folder", "x");
  Monitoring monitoring(devices(), clock_, {}, file, {});
  monitoring.start();
  monitoring.monitor().stop_monitoring();
  monitoring.monitor().sample();
  EXPECT_GE(monitoring.monitor().figures().samples, 1u);
}

TEST(MinuteStore, KeepsADayAndTellsDevicesApartByName) {
  const test::TempDir dir;
  const base::DeviceId other{base::DeviceKind::kCuda, 1};
  monitor::HistoryPoint minute;
  minute.device = kGpu;
  minute.is_minute = true;
  minute.total = 1 << 20;
  minute.used = minute.used_min = minute.used_max = 1024;
  minute.utilisation_percent = 7;
  minute.power_watts = 12.5;
  {
    MinuteStore store(dir / "t.db", {{kGpu, "GPU-a"}});
    store.append({minute});
    minute.time_ms = 60'000;
    store.append({minute});
    EXPECT_EQ(store.read(0).size(), 2u);
    EXPECT_EQ(store.read(60'000).size(), 1u);
  }
  MinuteStore store(dir / "t.db", {{other, "GPU-a"}, {kGpu, "GPU-b"}});
  auto again = store.read(0);
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[1].device, other) << "the same GPU under another number";
  again[1].device = kGpu;
  EXPECT_EQ(again[1], minute);
  minute.time_ms = 25LL * 3600 * 1000;
  store.append({minute});
  EXPECT_EQ(store.read(0).size(), 1u) << "what is older than a day is gone";
}

TEST(Engine, AnAlertIsAnEvent) {
  const test::NvmlScenario scenario("gpu Toy | GPU-a |\n memory 1000 950\n");
  Engine engine{Config()};
  std::promise<core::Event> told;
  const auto subscription = engine.events().subscribe([&](const core::Event& event) {
    if (event.type == core::EventType::kAlert && event.device == kGpu) told.set_value(event);
  });
  base::set_log_level("error");
  engine.monitoring().start();
  const auto event = told.get_future().get();
  base::set_log_level("warning");
  EXPECT_THAT(event.message, HasSubstr("95.0 % of memory in use"));
  EXPECT_EQ(event.cause, "memory critical");
}

TEST(Engine, TellsWhatTheMonitorSawWhileADriverHangs) {
  test::TempDir dir;
  const test::NvmlScenario scenario("live\ngpu Toy | GPU-a |\n memory 1000 400\n utilisation 30 1\n");
  Engine engine{Config()};
  engine.monitoring().start();
  while (!engine.monitoring().latest()) std::this_thread::yield();
  scenario.change("live\ngpu Toy | GPU-a |\n memory 1000 400\n fails 0 15\n");
  const Status status = engine.status();
  ASSERT_EQ(status.devices.size(), 2u);
  EXPECT_EQ(status.devices[1].memory.free, 600u);
  EXPECT_EQ(status.devices[1].telemetry.utilisation_percent, 30);
  EXPECT_EQ(status.devices[1].uuid, "GPU-a");
}

}  // namespace
}  // namespace greenroom::app
