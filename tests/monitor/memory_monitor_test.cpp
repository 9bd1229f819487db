#include "monitor/memory_monitor.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>

#include "base/log.h"
#include "devices/cuda_device.h"
#include "devices/simulated_device.h"
#include "support/fake_clock.h"
#include "support/nvml_scenario.h"

namespace greenroom::monitor {
namespace {

using devices::SimulatedDevice;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

class MemoryMonitorTest : public ::testing::Test {
 protected:
  MemoryMonitorTest() { base::set_log_level("error"); }
  ~MemoryMonitorTest() override { base::set_log_level("warning"); }

  std::shared_ptr<SimulatedDevice> cpu_ =
      std::make_shared<SimulatedDevice>(base::DeviceId{}, devices::DeviceMemory{1000, 900}, "host");
  std::shared_ptr<SimulatedDevice> gpu_ =
      std::make_shared<SimulatedDevice>(kGpu, devices::DeviceMemory{1000, 900}, "toy");
  test::FakeClock clock_;
};

// Blocks in memory() until it is let go; says when somebody is in it.
class HangingDevice final : public devices::Device {
 public:
  base::DeviceId id() const override { return kGpu; }
  std::string name() const override { return "hanging"; }
  devices::DeviceMemory memory() const override {
    entered_.set_value();
    go_.get_future().wait();
    return {1000, 500};
  }

  void await_visit() const { entered_.get_future().wait(); }
  void let_go() const { go_.set_value(); }
  void prepare() {  // for the next visit
    entered_ = {};
    go_ = {};
  }

 private:
  mutable std::promise<void> entered_, go_;
};

TEST_F(MemoryMonitorTest, TheStatusIsTheNewestSample) {
  MemoryMonitor monitor({cpu_, gpu_}, clock_);
  EXPECT_EQ(monitor.get_current_status().readings.at(1).memory->free, 900u);
  gpu_->set_memory({1000, 300});
  EXPECT_EQ(monitor.get_current_status().readings[1].memory->free, 900u);
  monitor.sample();
  EXPECT_EQ(monitor.get_current_status().readings[1].memory->free, 300u);
  EXPECT_EQ(monitor.figures().samples, 2u);
}

TEST_F(MemoryMonitorTest, SamplesAtItsIntervalFromStartToStop) {
  MemoryMonitor monitor({cpu_}, clock_);
  std::promise<void> first, second;
  int samples = 0;
  monitor.add_sample_callback([&](const Sample&) {
    ++samples;
    if (samples == 1) first.set_value();
    if (samples == 2) second.set_value();
  });
  EXPECT_TRUE(monitor.start_monitoring());
  EXPECT_FALSE(monitor.start_monitoring());
  EXPECT_TRUE(monitor.is_monitoring());
  first.get_future().wait();
  clock_.await_waits(1);
  clock_.advance(seconds(2));
  second.get_future().wait();
  monitor.stop_monitoring();
  EXPECT_FALSE(monitor.is_monitoring());
  monitor.drain_callbacks();
  EXPECT_EQ(samples, 2);
  EXPECT_EQ(monitor.get_memory_history(10).size(), 2u);
  EXPECT_TRUE(monitor.start_monitoring()) << "it can be started again";
}

TEST_F(MemoryMonitorTest, TellsAlertsToItsCallbacksAndKeepsThem) {
  MemoryMonitor monitor({cpu_, gpu_}, clock_);
  std::vector<MemoryAlert> told;
  const int number = monitor.add_alert_callback([&](const MemoryAlert& alert) { told.push_back(alert); });
  monitor.add_alert_callback([](const MemoryAlert&) { throw std::runtime_error("a bad receiver"); });
  gpu_->set_memory({1000, 50});
  monitor.sample();
  monitor.drain_callbacks();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].alert_type, "critical");
  EXPECT_EQ(told[0].device, "cuda:0");
  EXPECT_EQ(told[0].memory_usage, 95);
  EXPECT_EQ(monitor.get_recent_alerts(60).size(), 1u);
  EXPECT_EQ(monitor.firing().size(), 1u);
  monitor.remove_callback(number);
  gpu_->set_memory({1000, 900});
  monitor.sample();
  EXPECT_EQ(told.size(), 1u);
  EXPECT_EQ(monitor.get_recent_alerts(60).size(), 2u);
}

TEST_F(MemoryMonitorTest, ASlowCallbackHoldsUpNobody) {
  std::promise<void> entered, go;
  MemoryMonitor monitor({cpu_, gpu_}, clock_);
  int quick = 0;
  monitor.add_sample_callback([&, first = true](const Sample&) mutable {
    if (std::exchange(first, false)) {
      entered.set_value();
      go.get_future().wait();
    }
  });
  const int number = monitor.add_sample_callback([&](const Sample&) { ++quick; });
  monitor.sample();
  entered.get_future().wait();
  for (int i = 0; i < 400; ++i) monitor.sample();
  EXPECT_EQ(monitor.figures().samples, 401u);
  go.set_value();
  monitor.drain_callbacks();
  EXPECT_GT(monitor.figures().dropped, 0u) << "of the slow one";
  monitor.remove_callback(number);
  EXPECT_GT(quick, 0);
}

TEST_F(MemoryMonitorTest, ALostDeviceIsAReadingWithAProblem) {
  MemoryMonitor monitor({cpu_, gpu_}, clock_);
  gpu_->set_lost(true);
  monitor.sample();
  const auto status = monitor.get_current_status();
  EXPECT_TRUE(status.readings[0].memory);
  EXPECT_FALSE(status.readings[1].memory);
  EXPECT_THAT(status.readings[1].problem, HasSubstr("lost"));
  EXPECT_EQ(monitor.get_recent_alerts(60).at(0).rule, "device");
}

TEST_F(MemoryMonitorTest, AHungDriverIsReportedAndTheHostIsStillRead) {
  const auto hanging = std::make_shared<HangingDevice>();
  MemoryMonitor monitor({cpu_, hanging}, clock_);
  std::thread sampler([&] { monitor.sample(); });
  hanging->await_visit();
  monitor.watch();
  EXPECT_EQ(monitor.figures().samples, 0u) << "not overdue yet";
  monitor.sample();
  EXPECT_EQ(monitor.figures().samples, 0u) << "nobody else walks into the same trap";
  clock_.advance(seconds(12));
  cpu_->set_memory({1000, 456});
  monitor.watch();
  const auto status = monitor.get_current_status();
  EXPECT_EQ(status.readings[0].memory->free, 456u);
  EXPECT_FALSE(status.readings[1].answers);
  EXPECT_EQ(status.readings[1].problem, "cuda:0: its driver has not answered for 12 s");
  EXPECT_EQ(monitor.get_recent_alerts(60).at(0).alert_type, "critical");
  EXPECT_EQ(monitor.figures().overdue, 1u);
  hanging->let_go();
  sampler.join();
  EXPECT_TRUE(monitor.get_current_status().readings[1].answers);
  EXPECT_EQ(monitor.get_recent_alerts(60).at(1).alert_type, "cleared");
}

TEST_F(MemoryMonitorTest, StoppingDoesNotWaitForAHungDriver) {
  const auto hanging = std::make_shared<HangingDevice>();
  {
    MemoryMonitor monitor({cpu_, hanging}, clock_);
    std::promise<void> reported;
    monitor.add_sample_callback([&, first = true](const Sample& sample) mutable {
      if (!sample.readings[1].answers && std::exchange(first, false)) reported.set_value();
    });
    monitor.start_monitoring();
    hanging->await_visit();
    clock_.await_waits(1);  // the thread that watches
    clock_.advance(seconds(12));
    reported.get_future().wait();
    monitor.stop_monitoring();
  }
  hanging->let_go();  // the stuck thread ends on its own
  std::weak_ptr<HangingDevice> left = hanging;
  EXPECT_FALSE(left.expired());
}

// The same with the driver's library itself stuck in a call.
TEST_F(MemoryMonitorTest, ACallThatHangsInTheDriversLibraryIsReported) {
  test::TempDir dir;
  const std::string fifo = (dir / "fifo").string();
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const test::NvmlScenario scenario("hang nvmlDeviceGetUtilizationRates " + fifo +
                                    "\ngpu A | GPU-a |\n memory 100 40\n utilisation 5 5\n");
  const auto gpu = std::make_shared<devices::CudaDevice>(devices::Nvml::open(),
                                                         devices::CudaDevice::Identity{0, "GPU-a", "A", ""});
  MemoryMonitor monitor({cpu_, gpu}, clock_);
  std::thread sampler([&] { monitor.sample(); });
  const int end = ::open(fifo.c_str(), O_WRONLY);  // returns once the driver has opened the other end
  clock_.advance(seconds(15));
  monitor.watch();
  EXPECT_THAT(monitor.get_current_status().readings[1].problem, HasSubstr("has not answered for 15 s"));
  EXPECT_TRUE(monitor.get_current_status().readings[0].memory);
  ::close(end);
  sampler.join();
  EXPECT_TRUE(monitor.get_current_status().readings[1].answers);
  EXPECT_EQ(monitor.get_current_status().readings[1].telemetry.utilisation_percent, 5);
}

// A GPU that counts who asks for its throughput.
class LinkedDevice final : public devices::Device {
 public:
  explicit LinkedDevice(int index, bool shared = false) : index_(index), shared_(shared) {}
  base::DeviceId id() const override { return {base::DeviceKind::kCuda, index_}; }
  std::string name() const override { return "linked"; }
  devices::DeviceMemory memory() const override { return {1000, 500, 0, shared_}; }
  devices::Telemetry telemetry() const override {
    devices::Telemetry telemetry;
    telemetry.pcie_generation = 1;
    return telemetry;
  }
  std::optional<devices::PcieThroughput> pcie_throughput() const override {
    ++asked;
    return devices::PcieThroughput{1000, 2000};
  }

  mutable int asked = 0;

 private:
  int index_;
  bool shared_;
};

TEST_F(MemoryMonitorTest, AsksOneGpuAfterTheOtherForItsThroughput) {
  const auto first = std::make_shared<LinkedDevice>(0);
  const auto second = std::make_shared<LinkedDevice>(1);
  MemoryMonitor monitor({cpu_, first, second}, clock_);
  monitor.sample();
  EXPECT_EQ(first->asked, 1);
  EXPECT_EQ(second->asked, 0);
  EXPECT_FALSE(monitor.newest()->readings[2].telemetry.pcie_throughput);
  monitor.sample();
  EXPECT_EQ(second->asked, 0) << "not within a second";
  clock_.advance(seconds(2));
  monitor.sample();
  EXPECT_EQ(first->asked, 1);
  EXPECT_EQ(second->asked, 1);
  const auto sample = monitor.newest();
  ASSERT_TRUE(sample->readings[1].telemetry.pcie_throughput) << "as it was";
  EXPECT_EQ(sample->readings[2].telemetry.pcie_throughput->received_bytes_per_second, 2000u);
}

TEST_F(MemoryMonitorTest, AGpuWithoutMemoryOfItsOwnHasNoLinkWorthShowing) {
  const auto shared = std::make_shared<LinkedDevice>(0, true);
  MemoryMonitor monitor({cpu_, shared}, clock_);
  monitor.sample();
  EXPECT_EQ(shared->asked, 0);
  EXPECT_EQ(monitor.newest()->readings[1].telemetry.pcie_generation, std::nullopt);
}

TEST_F(MemoryMonitorTest, WithoutMonitoringASampleIsTakenWhenTheLastIsTooOld) {
  MemoryMonitor monitor({cpu_, gpu_}, clock_);
  const auto free = [&] {
    return monitor.sample_within(seconds(2), std::chrono::hours(1))->readings.at(1).memory->free;
  };
  EXPECT_EQ(free(), 900u);
  gpu_->set_memory({1000, 300});
  EXPECT_EQ(free(), 900u) << "young enough";
  clock_.advance(seconds(3));
  EXPECT_EQ(free(), 300u);
  EXPECT_FALSE(monitor.is_monitoring());
}

TEST_F(MemoryMonitorTest, ASampleOnDemandDoesNotWaitForAHungDriver) {
  const auto hanging = std::make_shared<HangingDevice>();
  MemoryMonitor monitor({cpu_, hanging}, clock_);
  EXPECT_FALSE(monitor.sample_within(seconds(2), {})) << "there is none yet";
  hanging->await_visit();
  EXPECT_FALSE(monitor.sample_within(seconds(2), {})) << "and nobody else walks into the trap";
  clock_.advance(seconds(12));
  const auto sample = monitor.sample_within(seconds(2), {});
  ASSERT_TRUE(sample);
  EXPECT_FALSE(sample->readings[1].answers);
  EXPECT_EQ(sample->readings[0].memory->free, 900u);
  hanging->let_go();
}

TEST_F(MemoryMonitorTest, ASlowDriverIsWaitedForAndItsTimeIsKept) {
  const test::NvmlScenario scenario(
      "slow nvmlDeviceGetPcieThroughput 20000\ngpu A | GPU-a |\n memory 100 40\n pcie 4 16 1 2\n");
  const auto gpu = std::make_shared<devices::CudaDevice>(devices::Nvml::open(),
                                                         devices::CudaDevice::Identity{0, "GPU-a", "A", ""});
  const base::SystemClock clock;
  MemoryMonitor monitor({cpu_, gpu}, clock);
  monitor.sample();
  monitor.watch();
  EXPECT_TRUE(monitor.newest()->readings[1].answers);
  EXPECT_GE(monitor.figures().last_sample_seconds, 0.04) << "two calls of 20 ms";
  EXPECT_EQ(monitor.newest()->readings[1].telemetry.pcie_throughput->sent_bytes_per_second, 1000u);
}

TEST_F(MemoryMonitorTest, AnErrorThatTheDriverReportsIsAnAlert) {
  const test::NvmlScenario scenario("live\ngpu A | GPU-a |\n memory 100 40\n");
  const auto gpu = std::make_shared<devices::CudaDevice>(devices::Nvml::open("", nullptr, &clock_),
                                                         devices::CudaDevice::Identity{0, "GPU-a", "A", ""});
  MemoryMonitor monitor({cpu_, gpu}, clock_);
  monitor.sample();
  scenario.change("live\ngpu A | GPU-a |\n memory 100 40\n xid 31 74\n");
  clock_.advance(seconds(2));
  monitor.sample();
  const auto alerts = monitor.get_recent_alerts(60);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "error");
  EXPECT_EQ(alerts[0].alert_type, "critical");
  EXPECT_THAT(alerts[0].message, HasSubstr("cuda:0 (A): the driver reported XID 74: an error of NVLink"));
}

TEST_F(MemoryMonitorTest, RestoresWhatAnEarlierRunHanded) {
  MemoryMonitor monitor({cpu_}, clock_);
  HistoryPoint minute;
  minute.time_ms = 0;
  minute.is_minute = true;
  minute.total = 1 << 20;
  monitor.restore_history({minute});
  EXPECT_EQ(monitor.get_memory_history(60).size(), 1u);
}

}  // namespace
}  // namespace greenroom::monitor
