#include "audio/encode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "audio/file.h"
#include "base/error.h"
#include "support/temp_dir.h"

namespace greenroom::audio {
namespace {

Buffer tone(int rate, double seconds, double hertz = 440) {
  Buffer audio{std::vector<float>(static_cast<std::size_t>(rate * seconds)), rate};
  for (std::size_t i = 0; i < audio.samples.size(); ++i) {
    audio.samples[i] =
        0.5F * static_cast<float>(std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / rate));
  }
  return audio;
}

// The share of the signal that is a sine of that frequency.
double share_of(const Buffer& audio, double hertz) {
  double in_phase = 0, across = 0, energy = 0;
  for (std::size_t i = 0; i < audio.samples.size(); ++i) {
    const double angle = 2 * std::numbers::pi * hertz * static_cast<double>(i) / audio.sample_rate;
    in_phase += audio.samples[i] * std::sin(angle);
    across += audio.samples[i] * std::cos(angle);
    energy += audio.samples[i] * audio.samples[i];
  }
  return 2 * (in_phase * in_phase + across * across) / (energy * static_cast<double>(audio.samples.size()));
}

class EncodeTest : public testing::TestWithParam<Encoding> {
 protected:
  // As another program reads it. PCM has no header: read by hand.
  Buffer decoded(const std::string& bytes, int rate) const {
    if (GetParam() != Encoding::kPcm)
      return read_file(dir_.write(std::string(encoding_name(GetParam())), bytes));
    Buffer audio{{}, rate};
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
      const auto low = static_cast<unsigned char>(bytes[i]);
      const auto high = static_cast<unsigned char>(bytes[i + 1]);
      audio.samples.push_back(static_cast<float>(static_cast<std::int16_t>(low | high << 8)) / 32768.0F);
    }
    return audio;
  }

  test::TempDir dir_;
};

TEST_P(EncodeTest, AnotherProgramReadsWhatWasWritten) {
  if (!can_encode(GetParam())) GTEST_SKIP() << "not in this libsndfile";
  for (const int rate : {22050, 44100}) {
    const auto audio = decoded(encode(tone(rate, 1.5), GetParam()), rate);
    EXPECT_EQ(audio.sample_rate, GetParam() == Encoding::kOpus ? 48000 : rate);
    EXPECT_NEAR(audio.seconds(), 1.5, 0.06);
    EXPECT_GT(share_of(audio, 440), 0.97);
  }
}

TEST_P(EncodeTest, PiecesAreTheSameFileButForItsHeader) {
  if (!can_encode(GetParam())) GTEST_SKIP() << "not in this libsndfile";
  const auto audio = tone(22050, 3);
  StreamEncoder encoder(GetParam(), audio.sample_rate);
  std::string bytes;
  std::size_t before_the_end = 0;
  for (std::size_t i = 0; i < audio.samples.size(); i += 5000) {
    bytes += encoder.add(
        std::span(audio.samples).subspan(i, std::min<std::size_t>(5000, audio.samples.size() - i)));
    before_the_end = bytes.size();
  }
  bytes += encoder.finish();
  EXPECT_GT(before_the_end, bytes.size() / 3);  // it came while it was made
  const auto read = decoded(bytes, encoder.sample_rate());
  EXPECT_EQ(read.sample_rate, encoder.sample_rate());
  EXPECT_NEAR(read.seconds(), 3, 0.1);  // an MP3 stream cannot say what its first and last frame pad
  EXPECT_GT(share_of(read, 440), 0.97);
}

TEST_P(EncodeTest, WhatIsNoNumberIsSilence) {
  if (!can_encode(GetParam())) GTEST_SKIP() << "not in this libsndfile";
  auto audio = tone(24000, 0.5);
  audio.samples[100] = std::numeric_limits<float>::quiet_NaN();
  audio.samples[200] = 7;
  EXPECT_NEAR(decoded(encode(audio, GetParam()), 24000).seconds(), 0.5, 0.06);
}

INSTANTIATE_TEST_SUITE_P(All, EncodeTest,
                         testing::Values(Encoding::kWav, Encoding::kFlac, Encoding::kMp3, Encoding::kOpus,
                                         Encoding::kPcm),
                         [](const auto& info) { return std::string(encoding_name(info.param)); });

TEST(Encode, NamesAreThoseOfRequests) {
  EXPECT_EQ(parse_encoding("opus"), Encoding::kOpus);
  EXPECT_EQ(parse_encoding("aac"), std::nullopt);
  EXPECT_EQ(encodings_here().substr(0, 9), "wav, flac");
  EXPECT_THROW(encode({{}, 22050}, Encoding::kWav), base::Error);
  EXPECT_THROW(encode({{0.1F}, 10}, Encoding::kWav), base::Error);
}

}  // namespace
}  // namespace greenroom::audio
