// The commands that need no libtorch, and what every command does with wrong arguments.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/json.h"
#include "cli/program.h"

namespace greenroom {
namespace {

namespace fs = std::filesystem;
using test::demo_models;
using test::run_program;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// A library that cannot be opened: whoever opens it fails.
const std::vector<std::string> kNoLibrary = {"GREENROOM_MODELS_LIBRARY=/nonexistent/library.so"};

TEST(Cli, TellsItsVersionAndItsOptions) {
  const auto version = run_program({"--version"}, kNoLibrary);
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out, std::string("greenroom ") + GREENROOM_VERSION + "\n");
  const auto help = run_program({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("convert"), HasSubstr("estimate"), HasSubstr("--memory-budget")));
}

TEST(Cli, UsageErrorsAreTwoAndGoToStandardError) {
  const std::vector<std::vector<std::string>> wrong = {
      {"sing"},
      {"--loud"},
      {"convert"},
      {"convert", "in.wav", "out.wav"},
      {"convert", "--model", "m.pt", "in.wav"},
      {"convert", "--model", "m.pt", "--key", "high", "in.wav", "out.wav"},
      {"convert", "--model", "m.pt", "--method", "magic", "in.wav", "out.wav"},
      {"convert", "--model", "m.pt", "--threads", "0", "in.wav", "out.wav"},
      {"convert", "--model", "m.pt", "--speaker-mix", "1=0.5", "in.wav", "out.wav"},
      {"convert", "--model", "m.pt", "in.wav", "out.wav", "more.wav"},
      {"estimate"},
      {"plan"},
      {"simulate"},
      {"simulate", "day.trace", "--generate", "zipf"},
      {"simulate", "day.trace", "--policy", "oldest"},
      {"demo-models"},
      {"--memory-budget", "cpu:2GiB", "gpu"},
      {"--log-level", "LOUD", "gpu"},
      {"--port", "70000"},
  };
  for (const auto& arguments : wrong) {
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.status, 2) << testing::PrintToString(arguments);
    EXPECT_NE(outcome.err, "") << testing::PrintToString(arguments);
    EXPECT_EQ(outcome.out, "") << testing::PrintToString(arguments);
  }
}

TEST(Cli, MissingFilesAreOneAndAreNamed) {
  const auto estimate = run_program({"estimate", "/nowhere/model_0.pt"});
  EXPECT_EQ(estimate.status, 1);
  EXPECT_THAT(estimate.err, AllOf(StartsWith("greenroom: "), HasSubstr("/nowhere/model_0.pt")));
  const auto config = run_program({"--config", "/nowhere/config.yaml", "gpu", "--json"});
  EXPECT_EQ(config.status, 1);
  EXPECT_THAT(config.err, HasSubstr("/nowhere/config.yaml"));
}

TEST(Cli, GpuListsTheProcessorToo) {
  const auto text = run_program({"gpu"}, kNoLibrary);
  EXPECT_EQ(text.status, 0);
  EXPECT_THAT(text.out, AllOf(HasSubstr("cpu"), HasSubstr("free of")));
  const auto json = base::parse_json(run_program({"gpu", "--json"}).out, "gpu --json");
  EXPECT_EQ(json["devices"][0]["id"], "cpu");
  EXPECT_GT(json["devices"][0]["memory"]["total"], 0);
}

TEST(Cli, SettingsNobodyReadsAreToldAtTheRightLevel) {
  const test::TempDir dir;
  const auto file =
      dir.write("config.yaml", "audio: {volume: 11}\ngpu: {memory_budget: {cpu: 1GiB}}\n").string();
  const auto usual = run_program({"--config", file, "gpu"});
  EXPECT_EQ(usual.status, 0);
  EXPECT_THAT(usual.err, HasSubstr("gpu.memory_budget"));
  EXPECT_THAT(usual.err, testing::Not(HasSubstr("audio.volume")));
  EXPECT_THAT(run_program({"--config", file, "--log-level", "info", "gpu"}).err, HasSubstr("audio.volume"));
}

TEST(Plan, SaysWhatALoadWouldDo) {
  const fs::path models = demo_models();
  const auto fits = run_program({"plan", "--load", (models / "alto").string(), "--load",
                                 (models / "tenor").string(), "--device", "cpu", "--json"},
                                kNoLibrary);
  ASSERT_EQ(fits.status, 0) << fits.err;
  const auto plan = base::parse_json(fits.out, "plan --json");
  EXPECT_TRUE(plan["fits"].get<bool>());
  EXPECT_EQ(plan["parts"].size(), 5U) << "shared ones once";
  EXPECT_TRUE(plan["evict"].empty());
  EXPECT_GT(plan["needed_bytes"].get<std::uint64_t>(), 1'000'000U);
  const auto refused = run_program(
      {"--memory-budget", "cpu=4MiB", "plan", "--load", (models / "alto").string(), "--device", "cpu"},
      kNoLibrary);
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.out, AllOf(HasSubstr("does not fit"), HasSubstr("4.0 MiB of 4.0 MiB is free")));
}

TEST(Simulate, ReplaysWhatItGenerates) {
  const auto trace =
      run_program({"simulate", "--generate", "scan", "--voices", "30", "--requests", "200"}, kNoLibrary);
  ASSERT_EQ(trace.status, 0) << trace.err;
  const test::TempDir folder;
  const auto file = folder.write("day.trace", trace.out);
  const auto result =
      run_program({"simulate", file.string(), "--budget", "cuda:0=3GiB", "--json"}, kNoLibrary);
  ASSERT_EQ(result.status, 0) << result.err;
  const auto report = base::parse_json(result.out, "simulate --json");
  EXPECT_EQ(report["requests"].get<int>(), 200);
  EXPECT_EQ(report["breaches"].get<int>(), 0);
  EXPECT_GT(report["evictions"].get<int>(), 0);
  const auto wrong = run_program({"simulate", folder.write("wrong.trace", "dance").string()}, kNoLibrary);
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.err, HasSubstr("wrong.trace: line 1"));
}

TEST(Estimate, CountsSharedComponentsOnce) {
  const auto alto = (demo_models() / "alto").string();
  const auto tenor = (demo_models() / "tenor" / "model_0.pt").string();
  const auto outcome = run_program({"estimate", "--json", alto, tenor, alto}, kNoLibrary);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto report = base::parse_json(outcome.out, "estimate --json");
  std::map<std::string, std::vector<std::size_t>> users;  // by kind
  std::uint64_t sum = 0;
  for (const auto& component : report["components"]) {
    users[component["kind"]].push_back(component["models"].size());
    EXPECT_GT(component["bytes"], 0);
    EXPECT_TRUE(fs::exists(component["file"].get<std::string>()));
    sum += component["bytes"].get<std::uint64_t>();
  }
  const std::map<std::string, std::vector<std::size_t>> expected = {
      {"content_encoder", {2}}, {"rmvpe", {2}}, {"nsf_hifigan", {2}}, {"ddsp_svc.voice", {1, 1}}};
  EXPECT_EQ(users, expected);
  EXPECT_EQ(report["bytes"], sum);
  EXPECT_GT(report["bytes_without_sharing"], sum);
}

TEST(Estimate, OfIndexTtsIsWhatALoadLoads) {
  const auto folder = (demo_models() / "index_tts").string();
  const auto outcome = run_program({"estimate", "--json", folder}, kNoLibrary);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto report = base::parse_json(outcome.out, "estimate --json");
  std::map<std::string, bool> kept;
  std::uint64_t sum = 0;
  for (const auto& component : report["components"]) {
    kept[component["kind"]] = component["kept"];
    if (component["kept"]) sum += component["bytes"].get<std::uint64_t>();
  }
  EXPECT_EQ(kept.size(), 11U);
  EXPECT_TRUE(kept["index_tts.gpt"] && kept["bigvgan"] && kept["maskgct.codebook"]);
  EXPECT_FALSE(kept["w2v_bert"] || kept["campplus"] || kept["index_tts.emotion_llm"]);
  EXPECT_EQ(report["bytes"], sum);
  const auto plan = run_program({"plan", "--json", "--device", "cpu", "--load", folder}, kNoLibrary);
  EXPECT_EQ(base::parse_json(plan.out, "plan --json")["needed_bytes"], sum) << plan.err;
  // The language model in half precision, the rest as it is.
  const auto half = run_program({"estimate", "--json", "--dtype", "bfloat16", folder}, kNoLibrary);
  const auto halved = base::parse_json(half.out, "estimate --json")["bytes"].get<std::uint64_t>();
  EXPECT_LT(halved, sum);
  EXPECT_GT(halved, sum / 2);
}

TEST(Plan, OfSpeakingCountsItsWorkspace) {
  const auto folder = (demo_models() / "index_tts").string();
  const auto needed = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"plan", "--json", "--device", "cpu", "--load", folder};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto outcome = run_program(arguments, kNoLibrary);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return base::parse_json(outcome.out, "plan --json")["needed_bytes"].get<std::uint64_t>();
  };
  const auto alone = needed({});
  const auto short_text = needed({"--speak", "你好"});
  EXPECT_GT(short_text, alone);
  EXPECT_GT(needed({"--speak", std::string(400, 'a')}), short_text);
  const auto wrong =
      run_program({"plan", "--load", (demo_models() / "alto").string(), "--speak", "Hi"}, kNoLibrary);
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.err, HasSubstr("none of the models speaks"));
  EXPECT_EQ(run_program({"plan"}, kNoLibrary).status, 2);
  EXPECT_THAT(run_program({"plan", "--task", "nothing"}, kNoLibrary).err,
              HasSubstr("there is no task 'nothing'"));
}

TEST(Estimate, SaysItInATable) {
  const auto outcome =
      run_program({"estimate", (demo_models() / "alto").string(), (demo_models() / "tenor").string()});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("2 models, 5 components"), HasSubstr("counted once")));
  const auto one = run_program({"estimate", (demo_models() / "alto").string()});
  EXPECT_THAT(one.out, HasSubstr("1 model, 4 components"));
}

TEST(Estimate, OfOneFileIsTheSizeOfThatFile) {
  const auto file = demo_models() / "pretrain/nsf_hifigan/model";
  const auto outcome = run_program({"estimate", "--json", file.string()}, kNoLibrary);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto report = base::parse_json(outcome.out, "estimate --json");
  ASSERT_EQ(report["components"].size(), 1U);
  EXPECT_EQ(report["components"][0]["kind"], "file");
  EXPECT_EQ(report["bytes"], report["components"][0]["stored_bytes"]["float32"]);
  const auto half = run_program({"estimate", "--json", "--dtype", "float16", file.string()}, kNoLibrary);
  EXPECT_EQ(base::parse_json(half.out, "estimate --json")["bytes"].get<std::uint64_t>() * 2, report["bytes"]);
}

TEST(Estimate, SaysWhatAWrongFileIs) {
  const auto text = run_program({"estimate", (demo_models() / "alto/config.yaml").string()});
  EXPECT_EQ(text.status, 1);
  EXPECT_THAT(text.err, HasSubstr("config.yaml"));
}

TEST(Estimate, AMissingComponentIsAnErrorThatSaysWhereItWasLookedForUnlessAnotherFolderHasIt) {
  const test::TempDir dir;
  fs::create_directory(dir / "alto");
  for (const char* name : {"config.yaml", "model_0.pt"}) {
    fs::copy_file(demo_models() / "alto" / name, dir / "alto" / name);
  }
  const auto missing = run_program({"estimate", (dir / "alto").string()});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err,
              AllOf(HasSubstr("looked for it at"), HasSubstr("contentvec"), HasSubstr("--pretrain-dir")));
  const auto found = run_program(
      {"--pretrain-dir", (demo_models() / "pretrain").string(), "estimate", (dir / "alto").string()});
  EXPECT_EQ(found.status, 0) << found.err;
}

TEST(DemoModels, SayThatTheyAreDemosAndWhereTheyAre) {
  const test::TempDir dir;
  const auto outcome = run_program({"demo-models", (dir / "demo").string()}, kNoLibrary);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("alto/model_0.pt"), HasSubstr("tenor/model_0.pt"), HasSubstr("demo models")));
  EXPECT_TRUE(fs::exists(dir / "demo/alto/config.yaml"));
}

TEST(DemoModels, AFolderThatCannotBeIsOneMessage) {
  const test::TempDir dir;
  const auto outcome = run_program({"demo-models", (dir.write("file", "x") / "demo").string()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, StartsWith("greenroom: "));
}

}  // namespace
}  // namespace greenroom
