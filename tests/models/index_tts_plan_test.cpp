// From a request to what is to be spoken, and the settings the emotion model's folder brings along.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "models/index_tts/demo_tokenizers.h"
#include "models/index_tts/llm_generation.h"
#include "models/index_tts/plan.h"
#include "support/error_of.h"
#include "support/temp_dir.h"

namespace greenroom::models::index_tts {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The demo's tokenizer spells what it does not know in bytes, the published one does not know it: what there
// is to say must not depend on that.
class PlanText : public testing::Test {
 protected:
  std::string refusal(const Tokenizer& tokenizer, const std::string& text) const {
    return test::error_of([&] { plan_text(text, {}, {}, tokenizer, normalizer_); }).what();
  }

  void expect_nothing_to_say(const std::string& text) const {
    EXPECT_THAT(refusal(demo_, text), HasSubstr("nothing to say")) << text << ", the demo's tokenizer";
    EXPECT_THAT(refusal(published_, text), HasSubstr("nothing to say")) << text << ", a published tokenizer";
  }

  test::TempDir folder_;
  TextNormalizer normalizer_;
  Tokenizer demo_{folder_.write("bpe.model", demo_bpe_model())};
  Tokenizer published_{fs::path(GREENROOM_TEST_DATA) / "golden" / "index_tts" / "text" / "bpe.model"};
};

TEST_F(PlanText, RefusesATextOfWhichNothingIsLeft) {
  for (const char* text : {"", " \n\t", "😀", " 😀\n", "😀👍🏽", "❤", "❤️", "👨‍👩‍👧",
                           "🇨🇳", "\x07", "\x1b", "\x01\x02", "...", "！？", "。", "—", "\xF0\x9F", "\xFF"}) {
    expect_nothing_to_say(text);
  }
}

TEST_F(PlanText, SpeaksOneCharacterThatHasASound) {
  for (const char* text : {"a", "Z", "7", "你", "好", "é"}) {
    EXPECT_NO_THROW(plan_text(text, {}, {}, demo_, normalizer_)) << text;
  }
  for (const char* text : {"a", "Z", "7"}) {
    const auto plan = plan_text(text, {}, {}, published_, normalizer_);
    EXPECT_THAT(plan.notices, IsEmpty()) << text;
  }
}

TEST_F(PlanText, SpeaksWhatStandsBesideAnEmoji) {
  EXPECT_EQ(plan_text("Hi \x07😀 there", {}, {}, demo_, normalizer_).segments,
            plan_text("Hi there", {}, {}, demo_, normalizer_).segments);
}

TEST(LlmGeneration, ReadsTheSettingsOfItsFolder) {
  const test::TempDir folder;
  folder.write("generation_config.json",
               R"({"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95,
                   "eos_token_id": [151645, 151643], "pad_token_id": 151643, "transformers_version": "4.51"})");
  folder.write("config.json", R"({"eos_token_id": 7})");
  const auto settings = read_llm_generation(folder.path());
  EXPECT_TRUE(settings.do_sample);
  EXPECT_EQ(settings.temperature, 0.6);
  EXPECT_EQ(settings.top_k, 20);
  EXPECT_EQ(settings.top_p, 0.95);
  EXPECT_THAT(settings.stop_tokens, ElementsAre(151645, 151643));
}

TEST(LlmGeneration, IsGreedyWithoutThem) {
  const test::TempDir folder;
  EXPECT_FALSE(read_llm_generation(folder.path()).do_sample);
  EXPECT_THAT(read_llm_generation(folder.path()).stop_tokens, IsEmpty());
  folder.write("config.json", R"({"eos_token_id": 7})");
  EXPECT_THAT(read_llm_generation(folder.path()).stop_tokens, ElementsAre(7));
  folder.write("generation_config.json", R"({"temperature": null, "eos_token_id": null})");
  EXPECT_EQ(read_llm_generation(folder.path()).temperature, 1.0);
  EXPECT_THAT(read_llm_generation(folder.path()).stop_tokens, ElementsAre(7));
}

TEST(LlmGeneration, NamesTheSettingThatIsWrong) {
  const test::TempDir folder;
  const auto expect = [&](const char* file, const char* text, const char* part) {
    folder.write(file, text);
    const auto error = test::error_of([&] { read_llm_generation(folder.path()); });
    EXPECT_EQ(error.code(), base::ErrorCode::kDataLoss) << text;
    EXPECT_THAT(error.what(), AllOf(HasSubstr(file), HasSubstr(part))) << text;
  };
  constexpr const char* kFile = "generation_config.json";
  expect(kFile, "", "JSON");
  expect(kFile, "{\"do_sample\": tr", "JSON");
  expect(kFile, "[1, 2]", "an object");
  expect(kFile, R"({"do_sample": "yes"})", "\"do_sample\" must be true or false");
  expect(kFile, R"({"temperature": "hot"})", "\"temperature\" must be a number");
  expect(kFile, R"({"temperature": 0})", "\"temperature\" must be above 0");
  expect(kFile, R"({"temperature": 1e999})", "JSON");
  expect(kFile, R"({"top_k": -1})", "\"top_k\" must be");
  expect(kFile, R"({"top_k": 2000000})", "\"top_k\" must be");
  expect(kFile, R"({"top_k": 20.5})", "\"top_k\" must be");
  expect(kFile, R"({"top_k": true})", "\"top_k\" must be a number");
  expect(kFile, R"({"top_p": 0})", "\"top_p\" must be above 0 and at most 1");
  expect(kFile, R"({"top_p": 1.01})", "\"top_p\" must be above 0 and at most 1");
  expect(kFile, R"({"eos_token_id": "</s>"})", "\"eos_token_id\" must be a token or a list of tokens");
  expect(kFile, R"({"eos_token_id": [1, 2.5]})", "\"eos_token_id\" must be a token or a list of tokens");
  folder.write(kFile, "{}");
  expect("config.json", R"({"eos_token_id": {}})", "\"eos_token_id\" must be a token or a list of tokens");
  expect("config.json", "[", "JSON");
}

}  // namespace
}  // namespace greenroom::models::index_tts
