#include "app/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "models/ddsp_svc/demo.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path& demo() {
  static const test::TempDir dir;
  static const bool written = [] {
    models::ddsp_svc::write_demo_models(dir.path(), {});
    return true;
  }();
  (void)written;
  return dir.path();
}

base::Error error_of(const fs::path& path) {
  try {
    describe_voice(path, {});
  } catch (const base::Error& error) {
    return error;
  }
  return {base::ErrorCode::kInternal, "no error"};
}

TEST(Catalog, TakesAVoiceByFileOrByFolder) {
  const auto by_file = describe_voice(demo() / "alto" / "model_0.pt", {});
  const auto by_folder = describe_voice(demo() / "alto", {});
  EXPECT_EQ(by_file.components.size(), 4U);
  EXPECT_EQ(by_file.model_file, by_folder.model_file);
}

TEST(Catalog, SaysWhatAnotherFileIs) {
  EXPECT_THAT(error_of(demo() / "pretrain/nsf_hifigan/model").what(), HasSubstr("vocoder"));
  EXPECT_THAT(error_of(demo() / "pretrain/rmvpe/model.pt").what(), HasSubstr("RMVPE"));
  EXPECT_THAT(error_of(demo() / "pretrain/contentvec/checkpoint_best_legacy_500.pt").what(),
              HasSubstr("ContentVec"));
}

TEST(Catalog, NamesAFileThatIsNotThere) {
  const auto error = error_of(demo() / "bass/model_0.pt");
  EXPECT_EQ(error.code(), base::ErrorCode::kNotFound);
  EXPECT_THAT(error.what(), HasSubstr("bass/model_0.pt"));
}

TEST(Catalog, RefusesATextFile) {
  const test::TempDir dir;
  const auto error = error_of(dir.write("model_0.pt", "not a checkpoint\n"));
  EXPECT_EQ(error.code(), base::ErrorCode::kDataLoss);
  EXPECT_THAT(error.what(), HasSubstr("model_0.pt"));
}

TEST(Catalog, KnowsAnIndexTtsFolderWhenItSeesOne) {
  const test::TempDir dir;
  dir.write("gpt.pth", "x");
  const auto bigvgan = dir.write("bigvgan_generator.pth", "x");
  for (const auto& path : {dir.path(), bigvgan}) {
    const auto error = error_of(path);
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("IndexTTS"));
  }
}

}  // namespace
}  // namespace greenroom::app
