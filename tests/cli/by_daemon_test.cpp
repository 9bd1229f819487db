// `convert` and `speak` with a daemon beside them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "audio/file.h"
#include "cli/program.h"

namespace greenroom {
namespace {

using test::demo_models;
using test::Outcome;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kRecording = "/usr/share/sounds/alsa/Front_Center.wav";
const std::vector<std::string> kWithDaemon = {"GREENROOM_LOCAL="};

class ByDaemon : public testing::Test {
 protected:
  // A daemon that takes models from the demo folder only; its port.
  std::string start() {
    daemon_ = std::make_unique<test::Program>(std::vector<std::string>{
        "--config", config_.string(), "--model-root", demo_models().string(), "serve", "--port", "0"});
    EXPECT_TRUE(daemon_->wait_for("Ctrl-C"));
    const std::string line = daemon_->out();
    const auto at = line.find("127.0.0.1:") + 10;
    return line.substr(at, line.find(' ', at) - at);
  }

  test::TempDir dir_;
  std::filesystem::path config_ = dir_.write("config.yaml", "system: {cache_dir: cache, device: cpu}\n");
  std::unique_ptr<test::Program> daemon_;
};

TEST_F(ByDaemon, ConvertsThereWithTheSameResult) {
  const auto port = start();
  const auto there = dir_ / "there.wav";
  const auto here = dir_ / "here.wav";
  const auto alto = (demo_models() / "alto").string();
  const std::vector<std::string> command = {"--port", port,    "convert", "--model",   alto,      "--steps",
                                            "1",      "--key", "2",       "--timings", kRecording};
  const auto convert = [&](const std::filesystem::path& out, std::vector<std::string> more,
                           const std::vector<std::string>& variables) {
    auto arguments = command;
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back(out.string());
    return test::run_program(arguments, variables);
  };
  const auto by_daemon = convert(there, {}, kWithDaemon);
  ASSERT_EQ(by_daemon.status, 0) << by_daemon.err;
  EXPECT_THAT(by_daemon.out,
              AllOf(HasSubstr("by the daemon at http://127.0.0.1:" + port), HasSubstr("flow")));
  const auto local = convert(here, {"--local"}, kWithDaemon);
  ASSERT_EQ(local.status, 0) << local.err;
  EXPECT_THAT(local.out, Not(HasSubstr("daemon")));
  EXPECT_EQ(audio::read_file(there).samples.size(), audio::read_file(here).samples.size());
  // What a request cannot choose is chosen here.
  EXPECT_THAT(convert(here, {"--threads", "1"}, kWithDaemon).out, Not(HasSubstr("daemon")));
  // An error is the daemon's own message.
  const auto wrong = convert(there, {"--speaker", "99"}, kWithDaemon);
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.err, HasSubstr("speaker"));
  const auto broken = dir_.write("my \"take\".wav", "not audio");
  const auto unread = test::run_program(
      {"--port", port, "convert", "--model", alto, broken.string(), there.string()}, kWithDaemon);
  EXPECT_EQ(unread.status, 1);
  EXPECT_THAT(unread.err, AllOf(HasSubstr("take"), Not(HasSubstr("greenroom-upload"))));
}

// A daemon that is named is wanted: another's result, or this process's, would not be what was asked for.
TEST_F(ByDaemon, FailsWhereTheNamedOneDoesNotAnswer) {
  const auto convert = [&](const std::string& server, std::vector<std::string> more) {
    std::vector<std::string> arguments = {"convert", "--model", (demo_models() / "alto").string(), "--steps",
                                          "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {kRecording, (dir_ / "out.wav").string()});
    return test::run_program(arguments, {"GREENROOM_LOCAL=", "GREENROOM_SERVER=" + server});
  };
  const auto outcome = convert("http://127.0.0.1:1", {});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("http://127.0.0.1:1"), HasSubstr("GREENROOM_SERVER"), HasSubstr("--local")));
  EXPECT_EQ(convert("http://127.0.0.1:1", {"--local"}).status, 0);
  EXPECT_THAT(convert("somewhere", {}).err, HasSubstr("http://HOST:PORT"));
}

TEST_F(ByDaemon, SpeaksThere) {
  const auto port = start();
  const auto outcome = test::run_program(
      {"--port", port, "speak", "--model", (demo_models() / "index_tts").string(), "--voice", kRecording,
       "--text", "Hello there.", "--num-beams", "1", "--max-mel-tokens", "20", "--diffusion-steps", "1",
       "--emotion-vector", "0,0,0.5,0,0,0,0,0", (dir_ / "out.flac").string()},
      kWithDaemon);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("by the daemon"));
  EXPECT_EQ(audio::read_file(dir_ / "out.flac").sample_rate, 22050);
}

TEST_F(ByDaemon, AModelItMayNotTakeIsUsedHere) {
  const auto port = start();
  std::filesystem::copy(demo_models(), dir_ / "elsewhere", std::filesystem::copy_options::recursive);
  const auto outcome =
      test::run_program({"--port", port, "convert", "--model", (dir_ / "elsewhere/alto").string(), "--steps",
                         "1", kRecording, (dir_ / "out.wav").string()},
                        kWithDaemon);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("running here"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("by the daemon")));
}

}  // namespace
}  // namespace greenroom
