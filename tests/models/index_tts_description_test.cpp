#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "models/index_tts/description.h"
#include "support/shards.h"
#include "support/temp_dir.h"

namespace greenroom::models::index_tts {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

fs::path golden_model() {
  return fs::path(GREENROOM_TEST_DATA) / "golden" / "index_tts" / "e2e_v2_tiny" / "model";
}

class IndexTtsDescription : public testing::Test {
 protected:
  void SetUp() override {
    fs::copy(golden_model(), folder(), fs::copy_options::recursive);
    fs::permissions(folder(), fs::perms::owner_all, fs::perm_options::add);
  }

  fs::path folder() const { return temp_.path() / "model"; }

  std::string describe_error(const DescribeOptions& options = {}) const {
    try {
      describe(folder(), options);
    } catch (const base::Error& error) {
      return error.what();
    }
    return "";
  }

  void replace_in_config(const std::string& from, const std::string& to) const {
    const auto path = folder() / "config.yaml";
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    std::string changed = text.str();
    ASSERT_NE(changed.find(from), std::string::npos);
    changed.replace(changed.find(from), from.size(), to);
    std::ofstream(path) << changed;
  }

 private:
  test::TempDir temp_;
};

TEST_F(IndexTtsDescription, NamesEveryComponentWithItsFile) {
  const auto description = describe(folder());
  ASSERT_EQ(description.components.size(), kRequiredComponents);
  EXPECT_FALSE(description.has_emotion_llm());
  EXPECT_EQ(description.components[kGpt].file, folder() / "gpt.pth");
  EXPECT_EQ(description.components[kSpeakerConditioner].file, folder() / "gpt.pth");
  EXPECT_EQ(description.components[kVocoder].file, folder() / "hf_cache/bigvgan/bigvgan_generator.pt");
  for (const auto& component : description.components) EXPECT_GT(component.bytes, 0U) << component.kind;
  EXPECT_EQ(description.stages.size(), kEmotionLlmStage);
}

TEST_F(IndexTtsDescription, ReadsOnlySeventeenSpeechLayers) {
  const auto description = describe(folder());
  const auto file = checkpoint::Checkpoint::open(description.components[kSpeechEncoder].file,
                                                 checkpoint::OpenMode::kHeaders);
  const auto wanted = component_weights(kSpeechEncoder, file);
  const auto* last = file.find("encoder.layers.16.final_layer_norm.weight");
  const auto* unused = file.find("encoder.layers.17.final_layer_norm.weight");
  ASSERT_NE(last, nullptr);
  ASSERT_NE(unused, nullptr);
  EXPECT_TRUE(wanted("encoder.layers.16.final_layer_norm.weight", *last));
  EXPECT_FALSE(wanted("encoder.layers.17.final_layer_norm.weight", *unused));
}

TEST_F(IndexTtsDescription, HalvesTheLanguageModelAlone) {
  const auto full = describe(folder());
  DescribeOptions options;
  options.precision.gpt = checkpoint::DType::kFloat16;
  const auto half = describe(folder(), options);
  EXPECT_EQ(half.components[kGpt].bytes * 2, full.components[kGpt].bytes);
  EXPECT_EQ(half.components[kSpeakerConditioner].bytes * 2, full.components[kSpeakerConditioner].bytes);
  EXPECT_EQ(half.components[kFlow].bytes, full.components[kFlow].bytes);
  EXPECT_NE(half.components[kGpt].variant, full.components[kGpt].variant);
}

TEST_F(IndexTtsDescription, NamesEveryMissingFileAndWhereToGetIt) {
  fs::remove(folder() / "s2mel.pth");
  fs::remove(folder() / "hf_cache/campplus_cn_common.bin");
  const std::string message = describe_error();
  EXPECT_THAT(message, HasSubstr((folder() / "s2mel.pth").string()));
  EXPECT_THAT(message, HasSubstr("https://huggingface.co/IndexTeam/IndexTTS-2"));
  EXPECT_THAT(message, HasSubstr((folder() / "hf_cache/campplus_cn_common.bin").string()));
  EXPECT_THAT(message, HasSubstr("https://huggingface.co/funasr/campplus"));
}

TEST_F(IndexTtsDescription, FindsFilesInTheLayoutOfAHubCache) {
  const auto snapshot = folder() / "hf_cache/models--funasr--campplus/snapshots/abc";
  fs::create_directories(snapshot);
  fs::rename(folder() / "hf_cache/campplus_cn_common.bin", snapshot / "campplus_cn_common.bin");
  EXPECT_EQ(describe(folder()).components[kSpeakerEncoder].file, snapshot / "campplus_cn_common.bin");
}

TEST_F(IndexTtsDescription, FindsFilesInAConfiguredFolder) {
  const auto other = folder().parent_path() / "shared";
  fs::create_directories(other / "semantic_codec");
  fs::rename(folder() / "hf_cache/semantic_codec_model.safetensors",
             other / "semantic_codec/model.safetensors");
  DescribeOptions options;
  options.search = {other};
  EXPECT_EQ(describe(folder(), options).components[kCodebook].file,
            other / "semantic_codec/model.safetensors");
}

TEST_F(IndexTtsDescription, TakesAnEmotionModelInShards) {
  const auto llm = folder() / "qwen0.6bemo4-merge";
  fs::create_directories(llm);
  const auto qwen = fs::path(GREENROOM_TEST_DATA) / "golden" / "index_tts" / "qwen3_tiny";
  for (const char* name : {"model.safetensors", "config.json"}) {
    fs::copy_file(qwen / name, llm / name);
    fs::permissions(llm / name, fs::perms::owner_write, fs::perm_options::add);
  }
  const auto whole = describe(folder());
  ASSERT_TRUE(whole.has_emotion_llm());
  const auto shards = test::take_apart(llm);
  const auto parts = describe(folder());
  ASSERT_TRUE(parts.has_emotion_llm());
  EXPECT_EQ(parts.components[kEmotionLlm].file, llm / "model.safetensors.index.json");
  EXPECT_EQ(parts.components[kEmotionLlm].bytes, whole.components[kEmotionLlm].bytes);
  EXPECT_EQ(parts.emotion_llm_folder, llm);
  EXPECT_EQ(parts.widths.llm_layers, whole.widths.llm_layers);
  fs::remove(shards[1]);
  EXPECT_THAT(describe_error(), HasSubstr(shards[1].filename().string()));
}

TEST_F(IndexTtsDescription, SaysWhatAWrongFileIs) {
  fs::copy_file(folder() / "s2mel.pth", folder() / "gpt.pth", fs::copy_options::overwrite_existing);
  EXPECT_THAT(describe_error(), HasSubstr("gpt.pth: not the language model"));
}

TEST_F(IndexTtsDescription, RefusesOtherVersions) {
  replace_in_config("version: 2.0", "version: 2.5");
  EXPECT_THAT(describe_error(), HasSubstr("only IndexTTS-2 is supported"));
}

TEST_F(IndexTtsDescription, NamesTheWrongKeyOfAConfig) {
  replace_in_config("heads: 4", "heads: many");
  EXPECT_THAT(describe_error(), HasSubstr("gpt.heads is \"many\""));
}

TEST_F(IndexTtsDescription, RefusesNumbersOutOfRange) {
  replace_in_config("start_mel_token: 128", "start_mel_token: 130");
  EXPECT_THAT(describe_error(), HasSubstr("gpt.start_mel_token is 130; allowed are 0 to 129"));
}

}  // namespace
}  // namespace greenroom::models::index_tts
