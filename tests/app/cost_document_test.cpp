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
