#include "app/voice_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "audio/file.h"
#include "base/error.h"
#include "support/error_of.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using test::error_of;

namespace fs = std::filesystem;
using base::ErrorCode;
using testing::HasSubstr;

class VoiceLibraryTest : public testing::Test {
 protected:
  fs::path recording(double seconds, float level = 0.2F, const char* name = "in.flac") const {
    audio::Buffer audio{std::vector<float>(static_cast<std::size_t>(seconds * 16000), level), 16000};
    audio::write_file(dir_ / name, audio);
    return dir_ / name;
  }

  fs::path folder() const { return dir_ / "voices"; }

  test::TempDir dir_;
};

TEST_F(VoiceLibraryTest, KeepsVoicesAcrossRestarts) {
  std::string id;
  {
    VoiceLibrary library(folder());
    const auto voice = library.add(recording(1), "小红");
    id = voice.id;
    EXPECT_EQ(voice.seconds, 1);
    EXPECT_EQ(voice.sample_rate, 16000);
    EXPECT_GT(voice.bytes, 32000U);
    library.add(recording(2), "");
  }
  VoiceLibrary library(folder());
  ASSERT_EQ(library.list().size(), 2U);
  EXPECT_EQ(library.get("小红").id, id);
  EXPECT_EQ(library.get(id).name, "小红");
  EXPECT_EQ(library.audio(library.get(id)).samples.size(), 16000U);
  EXPECT_TRUE(library.find("voice 2"));
  library.rename(id, "renamed");
  library.remove("voice 2");
  VoiceLibrary again(folder());
  ASSERT_EQ(again.list().size(), 1U);
  EXPECT_EQ(again.list()[0].name, "renamed");
}

TEST_F(VoiceLibraryTest, TheSameRecordingIsTheSameVoice) {
  VoiceLibrary library(folder());
  const auto first = library.add(recording(1), "one");
  const auto again = library.add(recording(1), "");
  EXPECT_EQ(again.id, first.id);
  EXPECT_EQ(again.name, "one");
  EXPECT_EQ(library.add(recording(1), "two").id, first.id);
  EXPECT_EQ(library.list().size(), 1U);
  EXPECT_EQ(library.list()[0].name, "two");
  EXPECT_EQ(error_of([&] { library.add(recording(1, 0.4F), "two"); }).code(), ErrorCode::kFailedPrecondition);
}

TEST_F(VoiceLibraryTest, RefusesWhatIsNoVoice) {
  VoiceLibrary library(folder(), {.most_voices = 1});
  EXPECT_EQ(error_of([&] { library.add(dir_.write("text.wav", "not audio"), ""); }).code(),
            ErrorCode::kDataLoss);
  EXPECT_EQ(error_of([&] { library.add(recording(0.05), ""); }).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { library.add(recording(601), ""); }).code(), ErrorCode::kInvalidArgument);
  library.add(recording(1), "");
  EXPECT_EQ(error_of([&] { library.add(recording(2), ""); }).code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(error_of([&] { VoiceLibrary({}).add(recording(1), ""); }).code(), ErrorCode::kFailedPrecondition);
}

TEST_F(VoiceLibraryTest, HostileNamesAreNames) {
  VoiceLibrary library(folder());
  const auto voice = library.add(recording(1), "../../etc/passwd");
  EXPECT_EQ(library.audio_file(voice).parent_path(), folder());
  EXPECT_EQ(library.get("../../etc/passwd").id, voice.id);
  EXPECT_EQ(error_of([&] { library.rename(voice.id, std::string("a\0b", 3)); }).code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { library.rename(voice.id, "a\nb"); }).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { library.rename(voice.id, std::string(101, 'a')); }).code(),
            ErrorCode::kInvalidArgument);
  for (const char* id : {"../x", "v", "", "/etc/passwd", "v%2e%2e"}) {
    EXPECT_EQ(error_of([&] { library.remove(id); }).code(), ErrorCode::kNotFound) << id;
  }
  EXPECT_THAT(error_of([&] { library.get("nobody"); }).what(), HasSubstr("passwd"));
}

TEST_F(VoiceLibraryTest, PassesOverWhatIsNoVoice) {
  std::string id;
  {
    VoiceLibrary library(folder());
    id = library.add(recording(1), "kept").id;
  }
  std::ofstream(folder() / "notes.json") << "{}";
  std::ofstream(folder() / (id.substr(0, 32) + "0.json")) << "{";  // without a recording
  std::ofstream(folder() / (std::string("v") + std::string(32, 'a') + ".json")) << "{\"name\": 3}";
  fs::copy(folder() / (id + ".wav"), folder() / (std::string("v") + std::string(32, 'a') + ".wav"));
  EXPECT_EQ(VoiceLibrary(folder()).list().size(), 1U);
}

}  // namespace
}  // namespace greenroom::app
