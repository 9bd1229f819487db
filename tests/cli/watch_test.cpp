#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "base/json.h"
#include "cli/program.h"
#include "support/nvml_scenario.h"

namespace greenroom {
namespace {

using test::NvmlScenario;
using test::run_program;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kTwoGpus = R"(driver 560.35.03
cuda 12060
gpu NVIDIA H200 | GPU-h200 | 00000000:18:00.0
 memory 150754820096 53687091200 643825664
 utilisation 37 12
 celsius 52
 margin 35
 milliwatts 321500 700000
 throttle 0x4
 pcie 5 16 1024000 2500
 process 1 1048576000
 busy 1 33 100
gpu NVIDIA L40S | GPU-l40s | 00000000:65:00.0
 memory 48305799168 46305799168
)";

std::vector<std::string> with(std::vector<std::string> variables, const std::string& one) {
  variables.push_back(one);
  return variables;
}

TEST(Gpu, SaysWhoUsesWhat) {
  const NvmlScenario scenario(kTwoGpus);
  const auto text = run_program({"gpu", "--lang", "en"}, scenario.variables());
  EXPECT_EQ(text.status, 0);
  EXPECT_EQ(text.err, "");
  EXPECT_THAT(text.out,
              AllOf(HasSubstr("NVIDIA driver 560.35.03, CUDA 12.6"), HasSubstr("cuda:0"),
                    HasSubstr("GPU-h200  00000000:18:00.0"), HasSubstr("50.6 GiB of 140.4 GiB in use (36 %)"),
                    HasSubstr("37 % busy"), HasSubstr("35 °C below slow-down"), HasSubstr("322 / 700 W"),
                    HasSubstr("slowed down by: power_cap"), HasSubstr("976.6 MiB/s sent, 2.4 MiB/s received"),
                    HasSubstr("1000.0 MiB 33 %")));
}

TEST(Gpu, SpeaksChinese) {
  const NvmlScenario scenario(kTwoGpus);
  for (const auto& outcome : {run_program({"gpu", "--lang", "zh"}, scenario.variables()),
                              run_program({"gpu"}, with(scenario.variables(), "LC_ALL=zh_CN.UTF-8"))}) {
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("内存"), HasSubstr("占用 37 %"), Not(HasSubstr("busy"))));
  }
  EXPECT_EQ(run_program({"gpu", "--lang", "tlh"}).status, 2);
}

TEST(Gpu, TellsAllOfItAsJson) {
  const NvmlScenario scenario(kTwoGpus);
  const auto json = base::parse_json(run_program({"gpu", "--json"}, scenario.variables()).out, "gpu --json");
  const auto& gpu = json["devices"][1];
  EXPECT_EQ(gpu["id"], "cuda:0");
  EXPECT_EQ(gpu["memory"]["reserved"], 643825664);
  EXPECT_EQ(gpu["telemetry"]["throttle_reasons"][0], "power_cap");
  EXPECT_EQ(gpu["telemetry"]["pcie_sent_bytes_per_second"], 1024000000);
  EXPECT_EQ(gpu["processes"][0]["pid"], 1);
  EXPECT_EQ(gpu["processes"][0]["utilisation_percent"], 33);
  EXPECT_FALSE(json["devices"][2]["telemetry"].contains("temperature_celsius")) << "it does not tell";
}

TEST(Gpu, FollowsCudasNumbers) {
  const NvmlScenario scenario(kTwoGpus);
  const auto json = base::parse_json(
      run_program({"gpu", "--json"}, with(scenario.variables(), "CUDA_VISIBLE_DEVICES=GPU-l40s")).out, "gpu");
  EXPECT_EQ(json["devices"].size(), 2u);
  EXPECT_EQ(json["devices"][1]["uuid"], "GPU-l40s");
}

TEST(Gpu, WatchesUntilItIsStopped) {
  const NvmlScenario scenario("live\ngpu Toy | GPU-a |\n memory 1073741824 0\n celsius 41\n");
  test::Program program({"gpu", "--watch", "--interval", "0.1", "--lang", "en"}, scenario.variables());
  ASSERT_TRUE(program.wait_for("41 °C"));
  scenario.change("live\ngpu Toy | GPU-a |\n memory 1073741824 0\n celsius 43\n");
  EXPECT_TRUE(program.wait_for("43 °C"));
  program.send(SIGINT);
  EXPECT_EQ(program.wait().signal, SIGINT);
}

TEST(Check, SaysWhatIsThereAndWhatIsNot) {
  const NvmlScenario scenario(kTwoGpus);
  const test::TempDir dir;
  const auto config =
      dir.write("config.yaml", "system: {cache_dir: cache}\nddsp_svc: {pretrain_dir: nowhere}\n");
  const auto outcome = run_program(
      {"--config", config.string(), "--port", "0", "check", "--lang", "en", "/nowhere/model_0.pt"},
      with(scenario.variables(), "GREENROOM_MODELS_LIBRARY=/nonexistent"));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr("✓ NVIDIA driver 560.35.03"), HasSubstr("✓ cuda:0: NVIDIA H200"),
            HasSubstr("✗ the models library was not found"), HasSubstr("✗ ddsp_svc.pretrain_dir"),
            HasSubstr("✗ model /nowhere/model_0.pt"), HasSubstr("✓ cache: "), HasSubstr("3 missing.")));
}

TEST(Check, NamesEachMissingFileOfBothKindsOfModels) {
  const test::TempDir dir;
  std::filesystem::copy(test::demo_models(), dir / "demo", std::filesystem::copy_options::recursive);
  for (const char* gone : {"pretrain/rmvpe", "pretrain/contentvec", "index_tts/hf_cache/bigvgan",
                           "index_tts/bpe.model", "index_tts/qwen0.6bemo4-merge"}) {
    std::filesystem::remove_all(dir / "demo" / gone);
  }
  const auto config =
      dir.write("config.yaml", "system: {cache_dir: cache}\nindex_tts: {model_dir: demo/index_tts}\n");
  const auto outcome = run_program({"--config", config.string(), "--port", "0", "check", "--lang", "en",
                                    (dir / "demo/alto").string(), (dir / "demo/tenor").string()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("the pitch network"), HasSubstr("the content encoder"),
                    HasSubstr("the vocoder BigVGAN is missing"), HasSubstr("the text tokenizer is missing"),
                    HasSubstr("get it from https://huggingface.co/nvidia/"), HasSubstr("- model"),
                    HasSubstr("the emotion model"), HasSubstr("6 missing.")));
}

TEST(Check, AGpuThatIsAskedForAndAbsentIsMissing) {
  const std::vector<std::string> none = {"GREENROOM_NVML_LIBRARY=/nonexistent", "GREENROOM_DEVICE=cuda:0"};
  const auto outcome = run_program({"--port", "0", "check", "--lang", "zh"}, none);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("✗ 没有可用的 GPU"), HasSubstr("system.device")));
  const auto without = run_program({"--port", "0", "check", "--lang", "en"}, {none.front()});
  EXPECT_THAT(without.out, HasSubstr("- no GPU"));
}

TEST(Check, AGpuThatIsLostIsMissing) {
  const NvmlScenario scenario("gpu Toy | GPU-a |\n memory 1000 0\n fails 0 15\n");
  const auto outcome = run_program({"--port", "0", "check", "--lang", "en"}, scenario.variables());
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("✗ cuda:0: GPU-a: the GPU is lost"), HasSubstr("→ restart")));
}

TEST(Check, KnowsWhoHasThePort) {
  test::Program daemon({"serve", "--port", "0"});
  ASSERT_TRUE(daemon.wait_for("Ctrl-C"));
  const std::string line = daemon.out();
  const std::string port = line.substr(line.find("127.0.0.1:") + 10, 5);
  EXPECT_THAT(run_program({"--port", port, "check", "--lang", "en"}).out,
              HasSubstr("greenroom serves there already"));
}

TEST(Top, WithoutATerminalPrintsPlainLines) {
  const NvmlScenario scenario(kTwoGpus);
  const auto outcome = run_program({"--port", "1", "top", "-n", "2", "--interval", "0.1", "--lang", "en"},
                                   scenario.variables());
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("local devices"), HasSubstr("cuda:1"), HasSubstr("37 %"),
                                 HasSubstr("no model is loaded"), Not(HasSubstr("\x1b"))));
}

TEST(Top, ManyGpusLeaveRoomForTheModels) {
  std::string text;
  for (int i = 0; i < 8; ++i) {
    text += "gpu Toy | GPU-" + std::to_string(i) + " |\n memory 1073741824 536870912\n celsius 4" +
            std::to_string(i) + "\n";
  }
  const NvmlScenario scenario(text);
  const auto outcome = run_program({"--port", "1", "top", "-n", "1", "--lang", "en"}, scenario.variables());
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("cuda:7  [######------] 512.0 MiB / 1.0 GiB"), HasSubstr("47 °C\n")));
  EXPECT_LT(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 24);
}

TEST(Top, ReadsTheDaemonThatRuns) {
  const NvmlScenario scenario(kTwoGpus);
  test::Program daemon({"serve", "--port", "0"}, scenario.variables());
  ASSERT_TRUE(daemon.wait_for("Ctrl-C"));
  const std::string line = daemon.out();
  const std::string port = line.substr(line.find("127.0.0.1:") + 10, 5);
  const auto outcome = run_program({"--port", port, "top", "-n", "1", "--lang", "zh"});
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("127.0.0.1:" + port), HasSubstr("NVIDIA L40S"), HasSubstr("没有已加载的模型")));
}

}  // namespace
}  // namespace greenroom
