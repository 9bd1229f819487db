#include "devices/nvml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/fake_clock.h"
#include "support/nvml_scenario.h"

namespace greenroom::devices {
namespace {

using std::chrono::seconds;
using test::NvmlScenario;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1u << 20;

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kUnavailable);
    return error.what();
  }
  return "no error";
}

// An idle H200, as a driver of 2024 describes it.
constexpr std::string_view kH200 = R"(driver 560.35.03
cuda 12060
gpu NVIDIA H200 | GPU-h200 | 00000000:18:00.0
  memory 150754820096 8388608 643825664
  utilisation 37 12
  celsius 52
  margin 35
  memory_celsius 61
  milliwatts 121500 700000
  millijoules 5000
  megahertz 1980 3201
  throttle 0x44
  pcie 5 16 1500 2500
  ecc 3 1
  cores 16896 1980
  process 4242 1048576
  process 4242 2097152 graphics
  process 77 unknown
)";

TEST(Nvml, AbsenceIsANormalAnswer) {
  std::string reason;
  EXPECT_EQ(Nvml::open("libgreenroom-no-such-library.so.1", &reason), nullptr);
  EXPECT_EQ(reason, "libgreenroom-no-such-library.so.1 is not installed: there is no NVIDIA driver");
}

TEST(Nvml, RefusesALibraryThatIsAnother) {
  std::string reason;
  EXPECT_EQ(Nvml::open("libm.so.6", &reason), nullptr);
  EXPECT_THAT(reason, HasSubstr("lacks the functions"));
}

TEST(Nvml, SaysWhyTheDriverDoesNotStart) {
  const std::pair<int, const char*> cases[] = {{9, "modprobe"},
                                               {18, "restart after the upgrade"},
                                               {4, "/dev/nvidia"},
                                               {999, "restart the container"},
                                               {77, "NVML code 77"}};
  for (const auto& [code, words] : cases) {
    const NvmlScenario scenario("init " + std::to_string(code));
    std::string reason;
    EXPECT_EQ(Nvml::open("", &reason), nullptr);
    EXPECT_THAT(reason, HasSubstr(words));
  }
}

TEST(Nvml, TellsAllThatANewDriverKnows) {
  const NvmlScenario scenario(kH200);
  const auto nvml = Nvml::open();
  ASSERT_TRUE(nvml);
  EXPECT_EQ(nvml->driver_version(), "560.35.03");
  EXPECT_EQ(nvml->cuda_version(), "12.6");
  ASSERT_EQ(nvml->gpus().size(), 1u);
  EXPECT_EQ(nvml->gpus()[0].name, "NVIDIA H200");
  EXPECT_EQ(nvml->gpus()[0].bus_id, "00000000:18:00.0");
  const auto memory = nvml->memory("GPU-h200");
  EXPECT_EQ(memory.total, 150754820096u);
  EXPECT_EQ(memory.reserved, 643825664u);
  EXPECT_EQ(memory.used(), 8388608u + 643825664u);
  const auto telemetry = nvml->telemetry("GPU-h200");
  EXPECT_EQ(telemetry.utilisation_percent, 37);
  EXPECT_EQ(telemetry.memory_utilisation_percent, 12);
  EXPECT_EQ(telemetry.temperature_celsius, 52);
  EXPECT_EQ(telemetry.thermal_headroom_celsius, 35);
  EXPECT_EQ(telemetry.memory_temperature_celsius, 61);
  EXPECT_EQ(telemetry.fan_percent, std::nullopt);
  EXPECT_EQ(telemetry.power_watts, 121.5);
  EXPECT_EQ(telemetry.power_limit_watts, 700);
  EXPECT_EQ(telemetry.energy_joules, 5);
  EXPECT_EQ(telemetry.clock_mhz, 1980);
  EXPECT_EQ(telemetry.memory_clock_mhz, 3201);
  EXPECT_THAT(throttle_reason_names(telemetry.throttle_reasons.value()),
              ElementsAre("power_cap", "hardware_thermal"));
  EXPECT_EQ(telemetry.pcie_generation, 5);
  EXPECT_EQ(telemetry.pcie_lanes, 16);
  EXPECT_EQ(telemetry.ecc_corrected, 3u);
  EXPECT_EQ(telemetry.ecc_uncorrected, 1u);
  const auto throughput = nvml->pcie_throughput("GPU-h200");
  ASSERT_TRUE(throughput);
  EXPECT_EQ(throughput->sent_bytes_per_second, 1500000u);
  EXPECT_EQ(throughput->received_bytes_per_second, 2500000u);
}

// The same scenario with the functions of older drivers: what they lack is absent, the rest is there.
class NvmlOfEra : public ::testing::TestWithParam<const char*> {};

TEST_P(NvmlOfEra, TellsWhatThatDriverCan) {
  const NvmlScenario scenario(kH200, GetParam());
  const auto nvml = Nvml::open();
  ASSERT_TRUE(nvml);
  const auto memory = nvml->memory("GPU-h200");
  EXPECT_EQ(memory.used(), 8388608u + 643825664u) << "whether or not the driver splits it";
  EXPECT_EQ(memory.reserved, std::string(GetParam()) >= "535" ? 643825664u : 0);
  const auto telemetry = nvml->telemetry("GPU-h200");
  EXPECT_EQ(telemetry.temperature_celsius, 52);
  EXPECT_EQ(telemetry.thermal_headroom_celsius, std::nullopt);
  EXPECT_EQ(telemetry.memory_temperature_celsius, std::nullopt);
  EXPECT_EQ(telemetry.power_watts, 121.5);
  EXPECT_EQ(telemetry.throttle_reasons, 0x44u);
  EXPECT_EQ(nvml->pcie_throughput("GPU-h200")->received_bytes_per_second, 2500000u);
  EXPECT_EQ(telemetry.xid_errors, 0u);
  EXPECT_THAT(nvml->processes("GPU-h200"),
              ElementsAre(Field(&ProcessUse::pid, 77), Field(&ProcessUse::pid, 4242)));
}

INSTANTIATE_TEST_SUITE_P(Drivers, NvmlOfEra, ::testing::Values("430", "470", "535"));

TEST(Nvml, MergesThePartsOfOneProcess) {
  const NvmlScenario scenario(kH200);
  const auto processes = Nvml::open()->processes("GPU-h200");
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_EQ(processes[0].bytes, std::nullopt) << "the driver does not tell";
  EXPECT_EQ(processes[1].bytes, 2 * kMiB);
}

TEST(Nvml, ListsMoreProcessesThanItHadRoomFor) {
  std::string text = "gpu A | GPU-a |\n memory 100 0\n";
  for (int i = 1; i <= 100; ++i) text += " process " + std::to_string(i) + " 1\n";
  for (const char* era : {"430", "470", "535", "560"}) {
    const NvmlScenario scenario(text, era);
    const auto processes = Nvml::open()->processes("GPU-a");
    ASSERT_EQ(processes.size(), 100u) << era;
    EXPECT_EQ(processes[99].pid, 100u);
  }
}

TEST(Nvml, UsesTheSlowdownTemperatureOfOlderGpus) {
  const NvmlScenario scenario("gpu A | GPU-a |\n memory 100 0\n celsius 70\n slowdown 93\n fan 110\n");
  const auto telemetry = Nvml::open()->telemetry("GPU-a");
  EXPECT_EQ(telemetry.thermal_headroom_celsius, 23);
  EXPECT_EQ(telemetry.fan_percent, 110);
}

TEST(Nvml, LeavesOutWhatTheGpuDoesNotTell) {
  const NvmlScenario scenario("gpu A | GPU-a |\n memory 100 40\n");
  const auto nvml = Nvml::open();
  const auto telemetry = nvml->telemetry("GPU-a");
  EXPECT_EQ(telemetry.utilisation_percent, std::nullopt);
  EXPECT_EQ(telemetry.temperature_celsius, std::nullopt);
  EXPECT_EQ(telemetry.power_watts, std::nullopt);
  EXPECT_EQ(telemetry.throttle_reasons, std::nullopt);
  EXPECT_EQ(nvml->pcie_throughput("GPU-a"), std::nullopt);
  EXPECT_THAT(nvml->processes("GPU-a"), ::testing::IsEmpty());
}

TEST(Nvml, TakesImpossibleFiguresForNone) {
  const NvmlScenario scenario(
      "gpu A | GPU-a |\n memory 100 40\n utilisation 4294967295 101\n celsius 4294967295\n"
      " milliwatts 4294967295 4294967295\n megahertz 4294967295 1000\n ecc 18446744073709551615 0\n");
  const auto telemetry = Nvml::open()->telemetry("GPU-a");
  EXPECT_EQ(telemetry.utilisation_percent, std::nullopt);
  EXPECT_EQ(telemetry.memory_utilisation_percent, std::nullopt);
  EXPECT_EQ(telemetry.temperature_celsius, std::nullopt);
  EXPECT_EQ(telemetry.power_watts, std::nullopt);
  EXPECT_EQ(telemetry.clock_mhz, std::nullopt);
  EXPECT_EQ(telemetry.memory_clock_mhz, 1000);
  EXPECT_EQ(telemetry.ecc_corrected, std::nullopt);
  EXPECT_EQ(telemetry.ecc_uncorrected, 0u);
}

TEST(Nvml, OneQuestionThatFailsCostsOneReading) {
  const NvmlScenario scenario(
      "refuse nvmlDeviceGetMemoryInfo_v2 999\nrefuse nvmlDeviceGetPowerUsage 999\n"
      "gpu A | GPU-a |\n memory 100 40 10\n milliwatts 5000 9000\n celsius 50\n");
  const auto nvml = Nvml::open();
  EXPECT_EQ(nvml->memory("GPU-a").free, 50u) << "the older function answers";
  const auto telemetry = nvml->telemetry("GPU-a");
  EXPECT_EQ(telemetry.power_watts, std::nullopt);
  EXPECT_EQ(telemetry.power_limit_watts, 9);
  EXPECT_EQ(telemetry.temperature_celsius, 50);
}

TEST(Nvml, AGpuWithoutMemoryOfItsOwnIsNotAnErrorAndADiscreteOneThatRefusesIs) {
  const NvmlScenario scenario("gpu GB10 | GPU-u |\n unified\ngpu A | GPU-a |\n celsius 40\n");
  const auto nvml = Nvml::open();
  EXPECT_TRUE(nvml->memory("GPU-u").shared_with_host);
  EXPECT_THAT(error_of([&] { nvml->memory("GPU-a"); }), HasSubstr("does not support"));
}

TEST(Nvml, KnowsTheInstancesOfAGpuInMigMode) {
  const NvmlScenario scenario(
      "gpu H200 | GPU-m |\n memory 1000 900\n celsius 44\n utilisation 50 50\n"
      " mig H200 MIG 3g.71gb | MIG-1 | 500 | 100\n mig H200 MIG 1g.18gb | MIG-2 | 200 | 20\n");
  const auto nvml = Nvml::open();
  ASSERT_EQ(nvml->gpus()[0].instances.size(), 2u);
  EXPECT_TRUE(nvml->gpus()[0].is_mig);
  EXPECT_EQ(nvml->gpus()[0].instances[1].uuid, "MIG-2");
  EXPECT_EQ(nvml->memory("MIG-2").total, 200u);
  EXPECT_EQ(nvml->memory("MIG-2").free, 180u);
  EXPECT_EQ(nvml->telemetry("MIG-2").temperature_celsius, 44) << "the whole GPU's";
  EXPECT_EQ(nvml->telemetry("MIG-2").utilisation_percent, std::nullopt) << "the driver has none";
}

TEST(Nvml, MemoryMayComeBackLate) {
  const NvmlScenario scenario("gpu A | GPU-a |\n memory 100 90\n frees 3 10\n");
  const auto nvml = Nvml::open();
  EXPECT_EQ(nvml->memory("GPU-a").free, 10u);
  EXPECT_EQ(nvml->memory("GPU-a").free, 10u);
  EXPECT_EQ(nvml->memory("GPU-a").free, 90u);
}

TEST(Nvml, ALostGpuIsSaidAndFoundAgainByItsUuid) {
  const NvmlScenario scenario(
      "gpu A | GPU-a |\n memory 100 40\n fails 2 15 2\ngpu B | GPU-b |\n memory 100 30\n");
  test::FakeClock clock;
  const auto nvml = Nvml::open("", nullptr, &clock);
  EXPECT_EQ(nvml->memory("GPU-a").free, 60u);
  EXPECT_THAT(error_of([&] { nvml->memory("GPU-a"); }), HasSubstr("the GPU is lost"));
  EXPECT_THAT(error_of([&] { nvml->telemetry("GPU-a"); }), HasSubstr("the GPU is lost")) << "asked no more";
  EXPECT_EQ(nvml->memory("GPU-b").free, 70u) << "the others go on";
  clock.advance(seconds(1));
  EXPECT_THAT(error_of([&] { nvml->memory("GPU-a"); }), HasSubstr("the GPU is lost")) << "still away";
  EXPECT_EQ(nvml->memory("GPU-b").free, 70u) << "with a new handle";
  clock.advance(seconds(1));
  EXPECT_THAT(error_of([&] { nvml->memory("GPU-a"); }), HasSubstr("the GPU is lost")) << "the pause grew";
  clock.advance(seconds(1));
  EXPECT_EQ(nvml->memory("GPU-a").free, 60u);
}

TEST(Nvml, AGpuThatVanishedIsFoundWhereverItComesBack) {
  const NvmlScenario scenario("live\ngpu A | GPU-a |\n memory 100 40\ngpu B | GPU-b |\n memory 200 30\n");
  test::FakeClock clock;
  const auto nvml = Nvml::open("", nullptr, &clock);
  EXPECT_EQ(nvml->memory("GPU-b").total, 200u);
  scenario.change(
      "live\ngpu A | GPU-a |\n memory 100 40\ngpu B | GPU-b |\n memory 200 30\n fails 0 15\n gone\n");
  EXPECT_THAT(error_of([&] { nvml->memory("GPU-b"); }), HasSubstr("the GPU is lost"));
  clock.advance(seconds(1));
  EXPECT_THAT(error_of([&] { nvml->memory("GPU-b"); }), HasSubstr("gone from the machine"));
  scenario.change("live\ngpu B | GPU-b |\n memory 200 30\ngpu A | GPU-a |\n memory 100 40\n");
  clock.advance(seconds(60));
  EXPECT_EQ(nvml->memory("GPU-b").total, 200u);
  EXPECT_EQ(nvml->memory("GPU-a").total, 100u);
}

TEST(Nvml, ADriverThatIsTakenAwayAndComesBack) {
  const NvmlScenario scenario("live\ngpu A | GPU-a |\n memory 100 40\n");
  test::FakeClock clock;
  const auto nvml = Nvml::open("", nullptr, &clock);
  scenario.change("live\ninit 9\ngpu A | GPU-a |\n memory 100 40\n fails 0 1\n");
  EXPECT_THAT(error_of([&] { nvml->memory("GPU-a"); }), HasSubstr("was shut down"));
  clock.advance(seconds(1));
  EXPECT_THAT(error_of([&] { nvml->memory("GPU-a"); }), HasSubstr("modprobe"));
  scenario.change("live\ngpu A | GPU-a |\n memory 100 40\n");
  clock.advance(seconds(60));
  EXPECT_EQ(nvml->memory("GPU-a").free, 60u);
}

TEST(Nvml, TellsHowBusyAProgramKeepsTheGpu) {
  const NvmlScenario scenario(
      "live\ngpu A | GPU-a |\n memory 100 40\n process 7 5\n process 8 5\n process 9 5\n"
      " busy 7 30 1000\n busy 7 45 2000\n busy 8 4000000 2000\n busy 50 90 2000\n");
  const auto nvml = Nvml::open();
  auto processes = nvml->processes("GPU-a");
  ASSERT_EQ(processes.size(), 3u) << "a program that holds no memory is not listed";
  EXPECT_EQ(processes[0].utilisation_percent, 45) << "the newest figure";
  EXPECT_EQ(processes[1].utilisation_percent, std::nullopt) << "an impossible one";
  EXPECT_EQ(processes[2].utilisation_percent, std::nullopt) << "none";
  processes = nvml->processes("GPU-a");
  EXPECT_EQ(processes[0].utilisation_percent, std::nullopt) << "nothing new";
  scenario.change(
      "live\ngpu A | GPU-a |\n memory 100 40\n process 7 5\n busy 7 60 1500 stale\n busy 7 20 3000\n");
  EXPECT_EQ(nvml->processes("GPU-a").at(0).utilisation_percent, 20) << "what was seen is not seen again";
}

TEST(Nvml, ManyFiguresOfProgramsGetTheRoomTheyNeed) {
  std::string text = "gpu A | GPU-a |\n memory 100 0\n process 300 1\n";
  for (int i = 1; i <= 300; ++i) text += " busy " + std::to_string(i) + " 12 5\n";
  const NvmlScenario scenario(text);
  EXPECT_EQ(Nvml::open()->processes("GPU-a").at(0).utilisation_percent, 12);
}

TEST(Nvml, WithoutTheFunctionOrTheRightNobodysUtilisationIsKnown) {
  for (const char* refusal :
       {"refuse nvmlDeviceGetProcessUtilization\n", "refuse nvmlDeviceGetProcessUtilization 4\n",
        "refuse nvmlDeviceGetProcessUtilization 999\n"}) {
    const NvmlScenario scenario(std::string(refusal) +
                                "gpu A | GPU-a |\n memory 100 40\n process 7 5\n busy 7 45 2000\n");
    const auto processes = Nvml::open()->processes("GPU-a");
    ASSERT_EQ(processes.size(), 1u);
    EXPECT_EQ(processes[0].utilisation_percent, std::nullopt);
    EXPECT_EQ(processes[0].bytes, 5u);
  }
}

TEST(Nvml, HearsOfTheErrorsThatTheDriverReports) {
  const NvmlScenario scenario("live\ngpu A | GPU-a |\n memory 100 40\ngpu B | GPU-b |\n memory 100 40\n");
  const auto nvml = Nvml::open();
  EXPECT_EQ(nvml->telemetry("GPU-a").xid_errors, 0u);
  EXPECT_EQ(nvml->telemetry("GPU-a").last_xid, std::nullopt);
  scenario.change("live\ngpu A | GPU-a |\n memory 100 40\ngpu B | GPU-b |\n memory 100 40\n xid 31 48\n");
  EXPECT_EQ(nvml->telemetry("GPU-a").xid_errors, 0u) << "those of B are not A's";
  EXPECT_EQ(nvml->telemetry("GPU-b").xid_errors, 2u);
  EXPECT_EQ(nvml->telemetry("GPU-b").last_xid, 48);
  EXPECT_EQ(nvml->telemetry("GPU-b").xid_errors, 2u) << "each once";
}

TEST(Nvml, WithoutEventsThereIsNoCountOfErrors) {
  for (const char* refusal : {"refuse nvmlEventSetCreate\n", "refuse nvmlDeviceRegisterEvents\n"}) {
    const NvmlScenario scenario(std::string(refusal) + "gpu A | GPU-a |\n memory 100 40\n xid 79\n");
    EXPECT_EQ(Nvml::open()->telemetry("GPU-a").xid_errors, std::nullopt);
  }
  const NvmlScenario scenario("refuse nvmlEventSetWait_v2\ngpu A | GPU-a |\n memory 100 40\n celsius 50\n");
  EXPECT_EQ(Nvml::open()->telemetry("GPU-a").temperature_celsius, 50) << "the rest is there";
}

TEST(Nvml, ALostGpuIsSaidWithTheErrorThatWentBeforeAndIsHeardAgain) {
  const NvmlScenario scenario("gpu A | GPU-a |\n memory 100 40\n fails 2 15 1\n xid 79\n");
  test::FakeClock clock;
  const auto nvml = Nvml::open("", nullptr, &clock);
  EXPECT_EQ(nvml->memory("GPU-a").free, 60u);
  EXPECT_THAT(error_of([&] { nvml->memory("GPU-a"); }),
              AllOf(HasSubstr("the GPU is lost"), HasSubstr("XID 79: the GPU has fallen off the bus")));
  EXPECT_THAT(error_of([&] { nvml->memory("GPU-a"); }), HasSubstr("XID 79")) << "and as long as it is away";
  clock.advance(seconds(1));
  EXPECT_EQ(nvml->memory("GPU-a").free, 60u);
  EXPECT_EQ(nvml->telemetry("GPU-a").xid_errors, 1u) << "registered anew, nothing forgotten";
}

TEST(Nvml, OnWindowsSubsystemForLinuxTellsWhatItCan) {
  const NvmlScenario scenario(
      "refuse nvmlDeviceGetMemoryInfo_v2 999\nrefuse nvmlEventSetCreate\n"
      "refuse nvmlDeviceGetProcessUtilization\nrefuse nvmlDeviceGetFanSpeed 999\n"
      "gpu A | GPU-a |\n memory 100 40 10\n utilisation 5 6\n fan 30\n process 7 unknown\n");
  const auto nvml = Nvml::open();
  EXPECT_EQ(nvml->memory("GPU-a").free, 50u);
  EXPECT_EQ(nvml->telemetry("GPU-a").utilisation_percent, 5);
  EXPECT_EQ(nvml->telemetry("GPU-a").xid_errors, std::nullopt);
  const auto processes = nvml->processes("GPU-a");
  ASSERT_EQ(processes.size(), 1u);
  EXPECT_EQ(processes[0].bytes, std::nullopt);
}

TEST(Nvml, KnowsEightGpus) {
  std::string text;
  for (int i = 0; i < 8; ++i) {
    text += "gpu A | GPU-" + std::to_string(i) + " |\n memory 100 " + std::to_string(i) + "\n";
  }
  const NvmlScenario scenario(text);
  const auto nvml = Nvml::open();
  ASSERT_EQ(nvml->gpus().size(), 8u);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(nvml->memory(nvml->gpus()[static_cast<std::size_t>(i)].uuid).free,
              100u - static_cast<unsigned>(i));
  }
}

}  // namespace
}  // namespace greenroom::devices
