#include "monitor/alerts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::monitor {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

// Time and one device's readings, and the kinds of alert they lead to ("memory critical").
class AlertsTest : public ::testing::Test {
 protected:
  std::vector<std::string> at(int second, const Reading& reading) {
    Sample sample;
    sample.at = base::Clock::TimePoint(seconds(1000 + second));
    sample.readings = {reading};
    std::vector<std::string> kinds;
    for (const auto& alert : evaluator_.evaluate(sample)) {
      kinds.push_back(alert.rule + " " + alert.alert_type);
      last_ = alert;
    }
    return kinds;
  }

  static Reading full(std::uint64_t percent, base::DeviceId device = kGpu) {
    Reading reading;
    reading.device = device;
    reading.name = "Toy";
    reading.memory = devices::DeviceMemory{100, 100 - percent};
    return reading;
  }

  AlertEvaluator evaluator_{AlertOptions()};
  MemoryAlert last_;
};

TEST_F(AlertsTest, WarnThenCriticalThenCleared) {
  EXPECT_THAT(at(0, full(79)), IsEmpty());
  EXPECT_THAT(at(2, full(80)), ElementsAre("memory warning"));
  EXPECT_EQ(last_.device, "cuda:0");
  EXPECT_EQ(last_.memory_usage, 80);
  EXPECT_EQ(last_.threshold, 80);
  EXPECT_THAT(last_.message, HasSubstr("cuda:0 (Toy): 80.0 % of memory in use, 20 B free"));
  EXPECT_THAT(at(4, full(95)), ElementsAre("memory critical")) << "a warning 2 s ago holds nothing back";
  EXPECT_EQ(last_.threshold, 90);
  EXPECT_EQ(evaluator_.firing().at({"cuda:0", "memory"}), AlertLevel::kCritical);
  EXPECT_THAT(at(6, full(50)), ElementsAre("memory cleared"));
  EXPECT_THAT(at(8, full(50)), IsEmpty());
  EXPECT_THAT(evaluator_.firing(), IsEmpty());
}

TEST_F(AlertsTest, AnAlertEndsOnlyWellBelowItsThreshold) {
  EXPECT_THAT(at(0, full(81)), ElementsAre("memory warning"));
  EXPECT_THAT(at(2, full(79)), IsEmpty());
  EXPECT_THAT(at(4, full(81)), IsEmpty());
  EXPECT_THAT(at(6, full(76)), IsEmpty());
  EXPECT_THAT(at(8, full(75)), ElementsAre("memory cleared"));
}

TEST_F(AlertsTest, ACriticalThatEasesIsAWarningAgain) {
  EXPECT_THAT(at(0, full(93)), ElementsAre("memory critical"));
  EXPECT_THAT(at(2, full(86)), IsEmpty());
  EXPECT_THAT(at(4, full(84)), ElementsAre("memory warning"));
}

TEST_F(AlertsTest, FlappingIsToldOncePerCooldownAndEveryOnsetIsCleared) {
  EXPECT_THAT(at(0, full(80)), ElementsAre("memory warning"));
  EXPECT_THAT(at(2, full(70)), ElementsAre("memory cleared"));
  EXPECT_THAT(at(4, full(80)), IsEmpty());
  EXPECT_THAT(at(6, full(70)), IsEmpty()) << "nothing was told, so nothing is cleared";
  EXPECT_THAT(at(8, full(91)), ElementsAre("memory critical"));
  EXPECT_THAT(at(10, full(70)), ElementsAre("memory cleared"));
  EXPECT_THAT(at(28, full(80)), IsEmpty());
  EXPECT_THAT(at(30, full(80)), ElementsAre("memory warning")) << "it is told when the cool-down is over";
}

TEST_F(AlertsTest, WhatLastsIsToldAgain) {
  EXPECT_THAT(at(0, full(80)), ElementsAre("memory warning"));
  EXPECT_THAT(at(1799, full(80)), IsEmpty());
  EXPECT_THAT(at(1800, full(80)), ElementsAre("memory warning"));
}

TEST_F(AlertsTest, TheHostHasThresholdsOfItsOwn) {
  EXPECT_THAT(at(0, full(84, {})), IsEmpty());
  EXPECT_THAT(at(2, full(85, {})), ElementsAre("memory warning"));
  auto unified = full(84);
  unified.memory->shared_with_host = true;
  EXPECT_THAT(at(4, unified), IsEmpty()) << "a GPU that shares the host's memory is as full as the host";
}

TEST_F(AlertsTest, AMissingReadingChangesNothing) {
  EXPECT_THAT(at(0, full(92)), ElementsAre("memory critical"));
  auto lost = full(92);
  lost.memory.reset();
  lost.problem = "cuda:0: the GPU is lost";
  EXPECT_THAT(at(2, lost), ElementsAre("device critical"));
  EXPECT_EQ(last_.message, "cuda:0: the GPU is lost");
  EXPECT_EQ(evaluator_.firing().at({"cuda:0", "memory"}), AlertLevel::kCritical);
  EXPECT_THAT(at(4, full(92)), ElementsAre("device cleared"));
  EXPECT_THAT(last_.message, HasSubstr("answers again"));
}

TEST_F(AlertsTest, ADriverThatDoesNotAnswerIsCritical) {
  auto silent = full(10);
  silent.answers = false;
  silent.problem = "cuda:0: its driver has not answered for 12 s";
  EXPECT_THAT(at(0, silent), ElementsAre("device critical"));
}

TEST_F(AlertsTest, HeatIsMeasuredByWhatIsLeft) {
  auto hot = full(10);
  hot.telemetry.thermal_headroom_celsius = 5;
  EXPECT_THAT(at(0, hot), ElementsAre("thermal warning"));
  EXPECT_EQ(last_.memory_usage, 5);
  EXPECT_EQ(last_.threshold, 5);
  hot.telemetry.thermal_headroom_celsius = -2;
  EXPECT_THAT(at(2, hot), ElementsAre("thermal critical"));
  hot.telemetry.thermal_headroom_celsius = 7;
  EXPECT_THAT(at(4, hot), ElementsAre("thermal warning"));
  hot.telemetry.thermal_headroom_celsius = 8;
  EXPECT_THAT(at(6, hot), ElementsAre("thermal cleared"));
}

TEST_F(AlertsTest, AnErrorOfTheGpuIsToldAndOverAfterAWhile) {
  auto reading = full(10);
  reading.telemetry.xid_errors = 1;
  reading.telemetry.last_xid = 31;
  reading.telemetry.last_xid_at = base::Clock::TimePoint(seconds(1000));
  EXPECT_THAT(at(0, reading), IsEmpty()) << "a program's own mistake";
  reading.telemetry.last_xid = 200;
  EXPECT_THAT(at(2, reading), ElementsAre("error warning")) << "one that is not known";
  reading.telemetry.last_xid = 79;
  EXPECT_THAT(at(4, reading), ElementsAre("error critical"));
  EXPECT_THAT(last_.message, HasSubstr("XID 79"));
  EXPECT_THAT(at(599, reading), IsEmpty());
  EXPECT_THAT(at(600, reading), ElementsAre("error cleared"));
  EXPECT_THAT(last_.message, HasSubstr("no error since"));
}

}  // namespace
}  // namespace greenroom::monitor
