// Whole conversions by the real binary: every case ends in a result of the right length or in one message and
// exit status 1; never in a signal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

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

constexpr int kVoiceRate = 44100;
constexpr double kFrameSeconds = 512.0 / kVoiceRate;
constexpr const char* kRecording = "/usr/share/sounds/alsa/Front_Center.wav";

// Sample `i` of channel 0, 1, ...
using Signal = float (*)(std::size_t i, int channel, int rate);

float hum(std::size_t i, int channel, int rate) {
  const double seconds = static_cast<double>(i) / rate;
  return 0.3F * static_cast<float>(std::sin(2 * M_PI * (180 + channel) * seconds));
}

void append(std::string& bytes, std::uint32_t value, int size) {
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
}

// A WAV file of 32-bit floats, written by hand: what a test needs, audio::write_file refuses.
void write_wav(const fs::path& file, std::size_t frames, int rate, int channels, Signal signal) {
  std::string data;
  for (std::size_t i = 0; i < frames; ++i) {
    for (int channel = 0; channel < channels; ++channel) {
      const float value = signal(i, channel, rate);
      data.append(reinterpret_cast<const char*>(&value), sizeof(value));
    }
  }
  std::string bytes = "RIFF";
  append(bytes, static_cast<std::uint32_t>(36 + data.size()), 4);
  bytes += "WAVEfmt ";
  append(bytes, 16, 4);
  append(bytes, 3, 2);  // IEEE float
  append(bytes, static_cast<std::uint32_t>(channels), 2);
  append(bytes, static_cast<std::uint32_t>(rate), 4);
  append(bytes, static_cast<std::uint32_t>(rate * channels * 4), 4);
  append(bytes, static_cast<std::uint32_t>(channels * 4), 2);
  append(bytes, 32, 2);
  bytes += "data";
  append(bytes, static_cast<std::uint32_t>(data.size()), 4);
  std::ofstream(file, std::ios::binary) << bytes << data;
}

class Convert : public testing::Test {
 protected:
  static std::string voice(const char* name = "alto") {
    return (demo_models() / name / "model_0.pt").string();
  }

  fs::path out(const char* name = "out.wav") const { return dir_ / name; }

  Outcome convert(const fs::path& input, std::vector<std::string> more = {},
                  const std::string& model = voice()) const {
    std::vector<std::string> arguments = {"convert", "--model", model};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back(input.string());
    arguments.push_back(out().string());
    return run_program(arguments);
  }

  Outcome convert_signal(std::size_t frames, int rate, int channels, Signal signal = hum) const {
    const auto input = dir_ / "in.wav";
    write_wav(input, frames, rate, channels, signal);
    return convert(input);
  }

  void expect_failure(const Outcome& outcome, const testing::Matcher<std::string>& message) const {
    EXPECT_EQ(outcome.signal, 0);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.err, AllOf(StartsWith("greenroom: "), message));
    EXPECT_EQ(outcome.out, "");
    EXPECT_FALSE(fs::exists(out()));
  }

  // Upstream fills the last frame, so the output is up to one frame longer than the input.
  void expect_audio(const Outcome& outcome, double seconds) const {
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.signal, 0);
    const auto audio = audio::read_file(out());  // refuses what is not finite
    EXPECT_EQ(audio.sample_rate, kVoiceRate);
    EXPECT_NEAR(audio.seconds(), seconds, 2 * kFrameSeconds);
  }

  test::TempDir dir_;
};

// What is found out before libtorch is opened.

TEST_F(Convert, AMissingRecordingIsNamed) {
  expect_failure(convert(dir_ / "nobody.wav"), HasSubstr("nobody.wav"));
}

TEST_F(Convert, AMissingModelIsNamed) {
  expect_failure(convert(kRecording, {}, "/nowhere/model_7.pt"), HasSubstr("/nowhere/model_7.pt"));
}

TEST_F(Convert, TheOutputIsCheckedBeforeTheWork) {
  const auto run = [&](const std::string& output) {
    return run_program({"convert", "--model", "/nowhere", "/nowhere/in.wav", output});
  };
  expect_failure(run((dir_ / "out.mp3").string()), HasSubstr(".flac"));
  expect_failure(run((dir_ / "none/out.wav").string()), HasSubstr("none"));
  fs::create_directory(dir_ / "folder.wav");
  expect_failure(run((dir_ / "folder.wav").string()), HasSubstr("folder.wav"));
}

TEST_F(Convert, RecordingsThatAreNoneAreRefused) {
  expect_failure(convert(dir_.write("text.wav", "this is no audio")), HasSubstr("text.wav"));
  expect_failure(convert(dir_.write("nothing.wav", "")), HasSubstr("nothing.wav"));
  expect_failure(convert(dir_.path()), HasSubstr(dir_.path().string()));
  expect_failure(convert_signal(0, 44100, 1), HasSubstr("no samples"));
}

TEST_F(Convert, NotANumberIsRefusedWithItsPosition) {
  const Signal broken = [](std::size_t i, int channel, int rate) {
    return i == 4321 ? std::numeric_limits<float>::quiet_NaN() : hum(i, channel, rate);
  };
  expect_failure(convert_signal(10000, 44100, 1, broken), HasSubstr("4321"));
}

TEST_F(Convert, AnotherKindOfModelIsCalledByItsName) {
  const auto vocoder = (demo_models() / "pretrain/nsf_hifigan/model").string();
  expect_failure(convert(kRecording, {}, vocoder), HasSubstr("vocoder"));
  // Even where a voice is expected: a vocoder renamed to model_0.pt beside a voice's config.
  fs::copy_file(demo_models() / "alto/config.yaml", dir_ / "config.yaml");
  fs::copy_file(vocoder, dir_ / "model_0.pt");
  expect_failure(convert(kRecording, {}, (dir_ / "model_0.pt").string()), HasSubstr("vocoder"));
}

TEST_F(Convert, ATruncatedModelIsRefusedWhereverItEnds) {
  fs::copy_file(demo_models() / "alto/config.yaml", dir_ / "config.yaml");
  const auto file = dir_ / "model_0.pt";
  const auto whole = fs::file_size(voice());
  for (const std::uintmax_t length : {std::uintmax_t{0}, std::uintmax_t{3}, whole / 2, whole - 1}) {
    fs::copy_file(voice(), file, fs::copy_options::overwrite_existing);
    fs::resize_file(file, length);
    expect_failure(convert(kRecording, {}, file.string()), HasSubstr("model_0.pt"));
  }
}

TEST_F(Convert, DevicesThatAreNotThereAreNamed) {
  expect_failure(convert(kRecording, {"--memory-budget", "cuda:9=1GiB"}), HasSubstr("cuda:9"));
}

#if !GREENROOM_HAVE_TORCH

TEST_F(Convert, WithoutLibtorchTheRemedyIsNamed) {
  expect_failure(convert(kRecording), HasSubstr("libtorch-dev"));
}

#else

TEST_F(Convert, AHumanVoiceGoesIn) {
  const auto outcome = convert(kRecording, {"--timings"});
  expect_audio(outcome, audio::read_file(kRecording).seconds());
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("real-time factor"), HasSubstr("peak memory"), HasSubstr("vocoder")));
  EXPECT_EQ(outcome.err, "");
  float peak = 0;
  for (const float sample : audio::read_file(out()).samples) peak = std::max(peak, std::abs(sample));
  EXPECT_GT(peak, 0.001F);
}

TEST_F(Convert, WritesFlacToo) {
  const auto output = dir_ / "out.flac";
  const auto outcome =
      run_program({"convert", "--model", voice(), "--steps", "1", kRecording, output.string()});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NEAR(audio::read_file(output).seconds(), audio::read_file(kRecording).seconds(), 2 * kFrameSeconds);
}

TEST_F(Convert, TheSameSeedGivesTheSameFile) {
  const auto samples = [&](const char* seed) {
    EXPECT_EQ(convert(kRecording, {"--seed", seed}).status, 0);
    return audio::read_file(out()).samples;
  };
  const auto first = samples("1");
  EXPECT_EQ(first, samples("1"));
  EXPECT_NE(first, samples("2"));
}

TEST_F(Convert, TakesEveryOptionTogether) {
  const auto outcome = convert(
      kRecording, {"--speaker-mix", "1:0.3,2:0.7", "--key", "-3.5", "--formant", "2", "--method", "rk4",
                   "--t-start", "0.5", "--threshold", "-50", "--threads", "1", "--f0", "rmvpe"});
  expect_audio(outcome, audio::read_file(kRecording).seconds());
}

TEST_F(Convert, AnUnknownSpeakerIsToldWhichThereAre) {
  expect_failure(convert(kRecording, {"--speaker", "9"}), AllOf(HasSubstr("speaker 9"), HasSubstr("1 to 2")));
  expect_failure(convert(kRecording, {"--speaker", "0"}), HasSubstr("speaker 0"));
  expect_failure(convert(kRecording, {"--speaker-mix", "1:0.5,3:0.5"}), HasSubstr("speaker 3"));
}

TEST_F(Convert, ImpossibleOptionsAreRefused) {
  expect_failure(convert(kRecording, {"--steps", "0"}), HasSubstr("steps"));
  expect_failure(convert(kRecording, {"--t-start", "7"}), HasSubstr("t_start"));
  expect_failure(convert(kRecording, {"--f0", "magic"}), HasSubstr("rmvpe"));
  expect_failure(convert(kRecording, {"--key", "nan"}), HasSubstr("nan"));
  expect_failure(convert(kRecording, {"--device", "cuda:99"}), HasSubstr("cuda:99"));
}

TEST_F(Convert, TheShortestRecordings) {
  for (const std::size_t frames : {1, 2, 100, 512}) {
    SCOPED_TRACE(frames);
    expect_audio(convert_signal(frames, 44100, 1), static_cast<double>(frames) / 44100);
  }
}

TEST_F(Convert, EightChannels) {
  expect_audio(convert_signal(48000, 48000, 8), 1.0);
}

TEST_F(Convert, LowAndHighSampleRates) {
  for (const int rate : {8000, 192000}) {
    SCOPED_TRACE(rate);
    expect_audio(convert_signal(static_cast<std::size_t>(rate), rate, 1), 1.0);
  }
}

TEST_F(Convert, SilenceStaysSilence) {
  const Signal nothing = [](std::size_t, int, int) { return 0.0F; };
  expect_audio(convert_signal(44100, 44100, 1, nothing), 1.0);
  for (const float sample : audio::read_file(out()).samples) ASSERT_LT(std::abs(sample), 1e-3F);
}

TEST_F(Convert, ABudgetTooSmallForTheModelIsRefusedBeforeLoading) {
  expect_failure(convert(kRecording, {"--memory-budget", "cpu=4MiB"}),
                 AllOf(HasSubstr("needs"), HasSubstr("4.0 MiB")));
}

TEST_F(Convert, TenMinutesOnASmallBudgetAreRefusedAtOnce) {
  const auto input = dir_ / "long.wav";
  write_wav(input, 600 * 8000, 8000, 1, hum);
  expect_failure(convert(input, {"--memory-budget", "cpu=32MiB"}),
                 AllOf(HasSubstr("needs"), HasSubstr("budget")));
}

TEST_F(Convert, CtrlCEndsItWithoutAFile) {
  const auto input = dir_ / "long.wav";
  write_wav(input, 20 * 8000, 8000, 1, hum);
  test::Program program({"--log-level", "debug", "convert", "--model", voice(), "--steps", "1000",
                         input.string(), out().string()});
  ASSERT_TRUE(program.wait_for("pitch: workspace"));  // into the conversion
  program.send(SIGINT);
  const auto outcome = program.wait();
  EXPECT_EQ(outcome.status, 130);
  EXPECT_THAT(outcome.err, HasSubstr("cancelled"));
  EXPECT_FALSE(fs::exists(out()));
}

#endif

}  // namespace
}  // namespace greenroom
