// Speaking by the real binary with the demo model: a result, or one message and exit status 1; never a
// signal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "audio/file.h"
#include "cli/program.h"

namespace greenroom {
namespace {

namespace fs = std::filesystem;
using test::demo_models;
using test::Outcome;
using test::run_program;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kRecording = "/usr/share/sounds/alsa/Front_Center.wav";
constexpr int kRate = 22050;

class Speak : public testing::Test {
 protected:
  fs::path out() const { return dir_ / "out.wav"; }
  fs::path config() const { return dir_.write("config.yaml", "system:\n  cache_dir: cache\n"); }

  // Greedy with one beam and few tokens: quick.
  Outcome speak(std::vector<std::string> more, const std::string& voice = kRecording,
                const std::string& model = (demo_models() / "index_tts").string()) const {
    std::vector<std::string> arguments = {
        "--config", config().string(),  "speak", "--model",           model, "--voice", voice, "--num-beams",
        "1",        "--max-mel-tokens", "30",    "--diffusion-steps", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back(out().string());
    return run_program(arguments);
  }

  void expect_refusal(const Outcome& outcome, const std::string& part) const {
    EXPECT_EQ(outcome.signal, 0) << outcome.err;
    EXPECT_EQ(outcome.status, 1) << outcome.out << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(StartsWith("greenroom: "), HasSubstr(part)));
    EXPECT_FALSE(fs::exists(out()));
  }

  std::string write_voice(double seconds) const {
    audio::Buffer buffer{std::vector<float>(static_cast<std::size_t>(seconds * 16000)), 16000};
    for (std::size_t i = 0; i < buffer.samples.size(); ++i)
      buffer.samples[i] = 0.2F * static_cast<float>(i % 80) / 80;
    const auto path = dir_ / "voice.wav";
    audio::write_file(path, buffer);
    return path.string();
  }

  test::TempDir dir_;
};

TEST_F(Speak, SaysATextAndKnowsTheVoiceTheNextTime) {
  const auto first = speak({"--text", "你好，世界。Hello world!"});
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_THAT(first.out, AllOf(HasSubstr("real-time factor"), HasSubstr("(tokens/s: generation "),
                               HasSubstr(", vocoder "), HasSubstr("a new voice"), HasSubstr("peak memory")));
  const auto audio = audio::read_file(out());
  EXPECT_EQ(audio.sample_rate, kRate);
  EXPECT_GT(audio.samples.size(), 256U);
  const auto second = speak({"--text", "你好，世界。Hello world!"});
  EXPECT_THAT(second.out, HasSubstr("a known voice"));
  EXPECT_EQ(audio::read_file(out()).samples, audio.samples);
}

TEST_F(Speak, TheSeedDecides) {
  const std::vector<std::string> text{"--text", "Hello there."};
  ASSERT_EQ(speak(text).status, 0);
  const auto first = audio::read_file(out()).samples;
  ASSERT_EQ(speak({"--text", "Hello there.", "--seed", "7"}).status, 0);
  EXPECT_NE(audio::read_file(out()).samples, first);
}

TEST_F(Speak, TakesTextFromAFile) {
  const auto file = dir_.write("text.txt", "第一行\n第二行\n");
  EXPECT_EQ(speak({"--text-file", file.string()}).status, 0);
  expect_refusal((fs::remove(out()), speak({"--text-file", (dir_ / "none.txt").string()})),
                 "none.txt: no such text file");
}

TEST_F(Speak, TakesEmotionInThreeWays) {
  EXPECT_EQ(speak({"--text", "Hi there", "--emotion-vector", "0,0,0.8,0,0,0,0,0"}).status, 0);
  EXPECT_EQ(speak({"--text", "Hi there", "--emotion-audio", "/usr/share/sounds/alsa/Rear_Left.wav"}).status,
            0);
  const auto outcome = speak({"--text", "Hi there", "--emotion-text", "我很开心"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST_F(Speak, RefusesTextsWithNothingToSay) {
  expect_refusal(speak({"--text", ""}), "the text is empty");
  expect_refusal(speak({"--text", "  \n "}), "the text is empty");
  expect_refusal(speak({"--text", "😀"}), "nothing to say");
  expect_refusal(speak({"--text", "😀👍"}), "nothing to say");
  expect_refusal(speak({"--text", "\x01\x02 ... !!"}), "nothing to say");
}

TEST_F(Speak, DropsEmojiAndControlCharacters) {
  EXPECT_EQ(speak({"--text", "Hi \x07😀 there\x1b[31m"}).status, 0);
}

TEST_F(Speak, RefusesAHundredThousandCharacters) {
  const auto file = dir_.write("long.txt", std::string(100000, 'a'));
  expect_refusal(speak({"--text-file", file.string()}), "the text has 100000 characters; at most 50000");
}

TEST_F(Speak, RefusesAReferenceThatIsTooShort) {
  expect_refusal(speak({"--text", "Hi there"}, write_voice(0.09)), "0.1 s");
}

TEST_F(Speak, TakesATenthOfASecond) {
  const auto outcome = speak({"--text", "Hi there"}, write_voice(0.11));
  EXPECT_EQ(outcome.signal, 0);
  EXPECT_THAT(outcome.status, testing::AnyOf(0, 1)) << outcome.err;
  if (outcome.status == 1) {
    EXPECT_THAT(outcome.err, StartsWith("greenroom: "));
  }
}

TEST_F(Speak, TakesTheBeginOfTenMinutes) {
  const auto outcome = speak({"--text", "Hi there"}, write_voice(600));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("only its first 15 s are used"));
}

TEST_F(Speak, NamesWhatIsWrongWithAnOption) {
  expect_refusal(speak({"--text", "Hi", "--emotion-vector", "0,0,0,0,0,0,1"}), "has 7 numbers; 8 are needed");
  expect_refusal(speak({"--text", "Hi", "--emotion-vector", "0,0,0,0,0,0,1,x"}), "\"x\" is no number");
  expect_refusal(speak({"--text", "Hi", "--emotion-weight", "1.5"}), "emotion_weight is 1.5");
  expect_refusal(speak({"--text", "Hi", "--temperature", "0"}), "temperature is 0");
  expect_refusal(speak({"--text", "Hi", "--top-p", "nan"}), "top_p is nan");
}

TEST_F(Speak, RefusesATextFileOfAnotherEncoding) {
  const auto file = dir_ / "gbk.txt";
  std::ofstream(file) << "Hello. \xC4\xE3\xBA\xC3";
  expect_refusal(speak({"--text-file", file.string()}), "the text is not UTF-8: its byte 8 (0xC4)");
  expect_refusal(speak({"--text", "Hi", "--emotion-text", "sad \xFF"}), "the emotion's text is not UTF-8");
}

TEST_F(Speak, NamesAMissingFile) {
  const auto model = dir_ / "model";
  fs::copy(demo_models() / "index_tts", model, fs::copy_options::recursive);
  fs::remove(model / "s2mel.pth");
  expect_refusal(speak({"--text", "Hi"}, kRecording, model.string()), "s2mel.pth");
  fs::copy(demo_models() / "index_tts" / "s2mel.pth", model);
  fs::remove(model / "gpt.pth");
  expect_refusal(speak({"--text", "Hi"}, kRecording, model.string()), "gpt.pth");
  expect_refusal(speak({"--text", "Hi"}, (dir_ / "none.wav").string()), "none.wav");
  expect_refusal(speak({"--text", "Hi"}, kRecording, (dir_ / "nowhere").string()), "nowhere");
}

TEST_F(Speak, SaysHowToGetTheEmotionModel) {
  const auto model = dir_ / "model";
  fs::copy(demo_models() / "index_tts", model, fs::copy_options::recursive);
  fs::remove_all(model / "qwen0.6bemo4-merge");
  expect_refusal(speak({"--text", "Hi", "--emotion-text", "happy"}, kRecording, model.string()),
                 "https://huggingface.co/IndexTeam/IndexTTS-2");
  EXPECT_EQ(speak({"--text", "Hi there"}, kRecording, model.string()).status, 0);
}

}  // namespace
}  // namespace greenroom
