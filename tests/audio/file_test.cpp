#include "audio/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include "base/error.h"
#include "support/temp_dir.h"

namespace greenroom::audio {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;
using test::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;

// Interleaved samples in any format, for what write_file does not write.
void write_sound(const fs::path& path, int format, int rate, int channels,
                 const std::vector<float>& samples) {
  SF_INFO info = {};
  info.format = format;
  info.samplerate = rate;
  info.channels = channels;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  ASSERT_NE(file, nullptr) << sf_strerror(nullptr);
  sf_write_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(file);
}

constexpr int kFloatWav = SF_FORMAT_WAV | SF_FORMAT_FLOAT;

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<float> tone(std::size_t n) {
  std::vector<float> samples(n);
  for (std::size_t i = 0; i < n; ++i) samples[i] = 0.8f * std::sin(static_cast<float>(i) * 0.05f);
  return samples;
}

template <typename Act>
void expect_error(Act act, ErrorCode code, const std::string& part) {
  try {
    act();
    ADD_FAILURE() << "no error, expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_THAT(std::string(error.what()), HasSubstr(part));
  }
}

TEST(AudioFile, WavAndFlacComeBackWithin16Bits) {
  const TempDir dir;
  for (const char* name : {"a.wav", "a.flac", "b.WAV", "b.Flac"}) {
    const Buffer audio{tone(5000), 44100};
    write_file(dir / name, audio);
    const Buffer back = read_file(dir / name);
    ASSERT_EQ(back.samples.size(), 5000u) << name;
    EXPECT_EQ(back.sample_rate, 44100);
    for (std::size_t i = 0; i < 5000; ++i)
      ASSERT_NEAR(back.samples[i], audio.samples[i], 1.0 / 32768) << name << i;
  }
}

TEST(AudioFile, KeepsTheSampleRate) {
  const TempDir dir;
  for (const int rate : {8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000}) {
    for (const char* name : {"a.wav", "a.flac"}) {
      write_file(dir / name, {tone(100), rate});
      EXPECT_EQ(read_file(dir / name).sample_rate, rate);
    }
  }
}

TEST(AudioFile, WritesExactSixteenBitSteps) {
  const TempDir dir;
  write_file(dir / "a.wav", {{0, 0.5f, -0.25f, -1}, 8000});
  EXPECT_THAT(read_file(dir / "a.wav").samples, ElementsAre(0, 0.5f, -0.25f, -1));
}

TEST(AudioFile, ClipsInsteadOfWrappingAround) {
  const TempDir dir;
  for (const char* name : {"a.wav", "a.flac"}) {
    write_file(dir / name, {{1, 1.5f, -1.5f, 100, -1e30f}, 8000});
    constexpr float kTop = 32767.0f / 32768;
    EXPECT_THAT(read_file(dir / name).samples, ElementsAre(kTop, kTop, -1, kTop, -1)) << name;
  }
}

TEST(AudioFile, AveragesStereoToMono) {
  const TempDir dir;
  write_sound(dir / "a.wav", kFloatWav, 8000, 2, {1, 0, 0.5f, -0.5f, 0.25f, 0.75f});
  EXPECT_THAT(read_file(dir / "a.wav").samples, ElementsAre(0.5f, 0, 0.5f));
}

TEST(AudioFile, AveragesEightChannelsAcrossReadBlocks) {
  const TempDir dir;
  constexpr int kFrames = 20000;  // more than one block
  std::vector<float> samples(8 * kFrames, 0.0f);
  for (std::size_t frame = 0; frame < kFrames; ++frame)
    samples[8 * frame + 3] = static_cast<float>(frame % 2);
  write_sound(dir / "a.wav", kFloatWav, 8000, 8, samples);
  const Buffer audio = read_file(dir / "a.wav");
  ASSERT_EQ(audio.samples.size(), static_cast<std::size_t>(kFrames));
  for (std::size_t i = 0; i < kFrames; ++i)
    ASSERT_EQ(audio.samples[i], 0.125f * static_cast<float>(i % 2)) << i;
}

TEST(AudioFile, ReadsOneSample) {
  const TempDir dir;
  write_file(dir / "a.wav", {{0.5f}, 8000});
  EXPECT_THAT(read_file(dir / "a.wav").samples, ElementsAre(0.5f));
}

TEST(AudioFile, NamesThePositionOfANaN) {
  const TempDir dir;
  std::vector<float> samples(16000, 0.1f);
  samples[2 * 6000 + 1] = std::numeric_limits<float>::quiet_NaN();
  write_sound(dir / "a.wav", kFloatWav, 8000, 2, samples);
  expect_error([&] { read_file(dir / "a.wav"); }, ErrorCode::kInvalidArgument, "sample 6000 (at 0.750 s)");
}

TEST(AudioFile, RefusesAnInfiniteSample) {
  const TempDir dir;
  write_sound(dir / "a.wav", kFloatWav, 8000, 1, {0, 0, std::numeric_limits<float>::infinity()});
  expect_error([&] { read_file(dir / "a.wav"); }, ErrorCode::kInvalidArgument, "sample 2 ");
}

TEST(AudioFile, SaysWhatIsNotAnAudioFile) {
  const TempDir dir;
  const auto refused = [&](const fs::path& path) {
    expect_error([&] { read_file(path); }, ErrorCode::kDataLoss, "is not an audio file");
  };
  refused(dir.write("empty.wav", ""));
  refused(dir.write("text.wav", "These are the notes of a recording, not the recording."));
  write_file(dir / "good.wav", {tone(1000), 8000});
  refused(dir.write("header.wav", bytes_of(dir / "good.wav").substr(0, 20)));
}

TEST(AudioFile, RefusesAMissingFileAndAFolder) {
  const TempDir dir;
  expect_error([&] { read_file(dir / "no.wav"); }, ErrorCode::kNotFound, "no.wav': does not exist");
  expect_error([&] { read_file(dir.path()); }, ErrorCode::kInvalidArgument, "is a folder");
}

TEST(AudioFile, RefusesAFileWithoutSamples) {
  const TempDir dir;
  write_sound(dir / "a.wav", kFloatWav, 8000, 1, {});
  expect_error([&] { read_file(dir / "a.wav"); }, ErrorCode::kInvalidArgument, "holds no samples");
}

TEST(AudioFile, NoticesATruncatedFlac) {
  const TempDir dir;
  write_file(dir / "a.flac", {tone(100000), 44100});
  const std::string bytes = bytes_of(dir / "a.flac");
  const fs::path cut = dir.write("cut.flac", std::string_view(bytes).substr(0, bytes.size() / 2));
  expect_error([&] { read_file(cut); }, ErrorCode::kDataLoss, "cut.flac");
}

TEST(AudioFile, ReadsACutWavAsFarAsItGoes) {
  const TempDir dir;
  write_file(dir / "a.wav", {tone(1000), 8000});
  const fs::path cut = dir.write("cut.wav", bytes_of(dir / "a.wav").substr(0, 44 + 2 * 600));
  EXPECT_EQ(read_file(cut).samples.size(), 600u);
}

TEST(AudioFile, RefusesRatesChannelsAndLengthsOutOfRange) {
  const TempDir dir;
  write_sound(dir / "slow.wav", kFloatWav, 999, 1, {0});
  expect_error([&] { read_file(dir / "slow.wav"); }, ErrorCode::kInvalidArgument, "999 Hz");
  write_sound(dir / "fast.wav", kFloatWav, 768001, 1, {0});
  expect_error([&] { read_file(dir / "fast.wav"); }, ErrorCode::kInvalidArgument, "768001 Hz");
  write_sound(dir / "wide.wav", kFloatWav, 8000, 65, std::vector<float>(65));
  expect_error([&] { read_file(dir / "wide.wav"); }, ErrorCode::kInvalidArgument, "65 channels");
  write_sound(dir / "long.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 1000, 1,
              std::vector<float>(4 * 3600 * 1000 + 1000));
  expect_error([&] { read_file(dir / "long.wav"); }, ErrorCode::kInvalidArgument, "4 hours");
}

TEST(AudioFile, RefusesToWriteAnotherExtension) {
  const TempDir dir;
  for (const char* name : {"a.mp3", "a", "a.wav.txt"}) {
    expect_error(
        [&] {
          write_file(dir / name, {{0}, 8000});
        },
        ErrorCode::kInvalidArgument, "use .wav or .flac");
  }
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(AudioFile, AFailedWriteLeavesNothingBehind) {
  const TempDir dir;
  fs::create_directory(dir / "folder.wav");
  dir.write("folder.wav/kept.txt", "x");
  expect_error([&] { write_file(dir / "folder.wav", {{0}, 8000}); }, ErrorCode::kUnavailable, "folder.wav");
  expect_error(
      [&] {
        write_file(dir / "no/a.wav", {{0}, 8000});
      },
      ErrorCode::kUnavailable, "the folder exists");
  expect_error([&] { write_file(dir / "a.wav", {{0}, 0}); }, ErrorCode::kInvalidArgument, "at 0 Hz");
  expect_error([&] { write_file(dir / "a.flac", {{NAN}, 8000}); }, ErrorCode::kInvalidArgument, "sample 0");
  expect_error([&] { write_file(dir / "a.flac", {{}, 8000}); }, ErrorCode::kInvalidArgument, "no samples");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1);
}

TEST(AudioFile, ReplacesAnOlderFile) {
  const TempDir dir;
  write_file(dir / "a.wav", {tone(1000), 8000});
  write_file(dir / "a.wav", {{0.5f}, 16000});
  EXPECT_EQ(read_file(dir / "a.wav").sample_rate, 16000);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1);
}

// Damaged files give audio or an Error, never anything else.
TEST(AudioFile, SurvivesDamage) {
  const TempDir dir;
  std::uint32_t state = 7;
  const auto random = [&state](std::size_t below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
  };
  for (const char* name : {"a.wav", "a.flac"}) {
    write_file(dir / name, {tone(500), 8000});
    const std::string good = bytes_of(dir / name);
    for (int round = 0; round < 200; ++round) {
      std::string bad = good.substr(0, round % 4 == 0 ? random(good.size()) : good.size());
      for (int i = 0; i < 3 && !bad.empty(); ++i) {
        bad[random(std::min<std::size_t>(bad.size(), 80))] = static_cast<char>(random(256));
      }
      try {
        EXPECT_FALSE(read_file(dir.write(std::string("bad-") + name, bad)).samples.empty());
      } catch (const Error& error) {
        EXPECT_THAT(std::string(error.what()), HasSubstr(name));
      }
    }
  }
}

}  // namespace
}  // namespace greenroom::audio
