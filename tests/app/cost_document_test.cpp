#include "app/cost_document.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace greenroom::app {
namespace {

TEST(CostDocument, WorkspaceComesBackAsItWasWritten) {
  const core::RunFeatures all{
      .audio_seconds = 1.25, .reference_seconds = 15, .text_tokens = 120, .steps = 25, .beams = 3};
  const std::vector<core::LearntWorkspace> learnt = {{"ddsp_svc/convert, 1000 bytes of weights, on cpu",
                                                      {{{.audio_seconds = 3}, 1u << 20}, {all, 1ull << 40}}},
                                                     {"index_tts/flow, 7 bytes of weights, on cuda:0", {}}};
  EXPECT_EQ(learnt_workspace_from(to_document(learnt)), learnt);
  EXPECT_TRUE(learnt_workspace_from(to_document(std::vector<core::LearntWorkspace>())).empty());
}

TEST(CostDocument, LoadsComeBackAsTheyWereWritten) {
  const std::vector<core::LearntLoad> learnt = {{.kind = "rmvpe",
                                                 .variant = "float32",
                                                 .file = "/models/rm\xffvpe.pt",
                                                 .file_bytes = 1000,
                                                 .modified_ns = 17,
                                                 .uses = 2.5,
                                                 .disk_seconds = 0.25,
                                                 .host_seconds = 0.125}};
  const auto back = learnt_loads_from(to_document(learnt));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].kind, "rmvpe");
  EXPECT_EQ(back[0].file_bytes, 1000u);
  EXPECT_EQ(back[0].modified_ns, 17);
  EXPECT_EQ(back[0].uses, 2.5);
  EXPECT_EQ(back[0].disk_seconds, 0.25);
  EXPECT_EQ(back[0].host_seconds, 0.125);
}

core::LearntLoad load_of(const std::string& file, double seconds, double uses = 1) {
  return {.kind = "k", .variant = "f32", .file = file, .uses = uses, .disk_seconds = seconds};
}

double seconds_of(const std::vector<core::LearntLoad>& loads, const std::string& file) {
  for (const auto& load : loads) {
    if (load.file == file) return load.disk_seconds;
  }
  return 0;
}

TEST(CostDocument, ProcessesThatShareAFileAddToIt) {
  const std::vector<core::LearntLoad> start = {load_of("both", 1), load_of("theirs", 1)};
  const auto theirs = merged_loads(to_document(start), start,
                                   {load_of("both", 1), load_of("theirs", 2), load_of("new of them", 3)});
  // Ours knows the state at the start only, and that a use has faded since.
  const auto ours = learnt_loads_from(
      merged_loads(theirs, start, {load_of("both", 4), load_of("theirs", 1, 0.5), load_of("new of us", 5)}));
  EXPECT_EQ(ours.size(), 4u);
  EXPECT_EQ(seconds_of(ours, "both"), 4);
  EXPECT_EQ(seconds_of(ours, "theirs"), 2) << "not what it was when we began";
  EXPECT_EQ(seconds_of(ours, "new of them"), 3);
  EXPECT_EQ(seconds_of(ours, "new of us"), 5);
  EXPECT_EQ(learnt_loads_from(merged_loads("damaged", {}, start)).size(), 2u);
  EXPECT_EQ(learnt_loads_from(merged_loads(std::nullopt, start, start)).size(), 2u) << "somebody emptied it";
}

TEST(CostDocument, SharedFiguresOfWorkspaceAreBounded) {
  const auto sample = [](double seconds) { return core::WorkspaceSample{{.audio_seconds = seconds}, 1000}; };
  const std::vector<core::LearntWorkspace> start = {{"a", {sample(1)}}};
  const auto theirs =
      merged_workspace(to_document(start), start, {{"a", {sample(1), sample(2)}}, {"b", {sample(9)}}});
  const auto both = learnt_workspace_from(merged_workspace(theirs, start, {{"a", {sample(1), sample(3)}}}));
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].samples, (std::vector{sample(1), sample(2), sample(3)}));
  EXPECT_EQ(both[1].kind, "b");
  const auto alike =
      learnt_workspace_from(merged_workspace(std::nullopt, {}, {{"a", {sample(1), sample(1)}}}));
  EXPECT_EQ(alike.at(0).samples.size(), 2u) << "two runs that were alike are two";
  std::vector<core::WorkspaceSample> many;
  for (int i = 0; i < 200; ++i) many.push_back(sample(i));
  const auto bounded = learnt_workspace_from(merged_workspace(theirs, {}, {{"a", many}}));
  EXPECT_EQ(bounded[0].samples.size(), core::WorkspaceProfile::kMostSamples);
  EXPECT_EQ(bounded[0].samples.back(), sample(199));
}

TEST(CostDocument, RefusesWhatItDidNotWrite) {
  for (const char* document : {"", "{", "[1]", "[{}]", R"([{"kind": 1, "samples": []}])",
                               R"([{"kind": "a", "samples": [{"audio_seconds": "long"}]}])"}) {
    EXPECT_THROW(learnt_workspace_from(document), base::Error) << document;
  }
  for (const char* document : {"", "[1]", "[{}]"}) {
    EXPECT_THROW(learnt_loads_from(document), base::Error) << document;
  }
}

}  // namespace
}  // namespace greenroom::app
