// What of IndexTTS-2's audio side needs no network: the preparation of references and the sizes of
// workspaces.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "audio/log_mel.h"
#include "base/error.h"
#include "models/index_tts/audio_workspace.h"
#include "models/index_tts/reference_audio.h"

namespace greenroom::models::index_tts {
namespace {

audio::Buffer tone(double seconds, int rate) {
  audio::Buffer buffer;
  buffer.sample_rate = rate;
  buffer.samples.resize(static_cast<std::size_t>(std::llround(seconds * rate)));
  for (std::size_t i = 0; i < buffer.samples.size(); ++i) {
    const double at = static_cast<double>(i) / rate;
    buffer.samples[i] = static_cast<float>(0.2 * std::sin(2 * std::numbers::pi * (200 + 40 * at) * at));
  }
  return buffer;
}

TEST(ReferenceAudio, ATenthOfASecondIsEnough) {
  for (const int rate : {8000, 22050, 44100, 48000}) {
    const auto speaker = prepare_speaker(tone(0.1, rate));
    EXPECT_EQ(speaker.speech.steps(), 4) << rate;
    EXPECT_EQ(speaker.fbank_frames, 8) << rate;
    EXPECT_EQ(speaker.mel_frames, 8) << rate;
    EXPECT_EQ(prepare_emotion(tone(0.1, rate)).steps(), 4) << rate;
    for (const float value : speaker.mel) EXPECT_TRUE(std::isfinite(value));
    for (const float value : speaker.fbank) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(ReferenceAudio, LessIsAClearError) {
  for (const double seconds : {0.0, 0.01, 0.099}) {
    try {
      prepare_speaker(tone(seconds, 44100));
      FAIL() << seconds << " s were taken";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find("0.1 s"), std::string::npos) << error.what();
    }
    EXPECT_THROW(prepare_emotion(tone(seconds, 44100)), base::Error);
  }
}

TEST(ReferenceAudio, NoNumbersAreAClearError) {
  auto recording = tone(1, 16000);
  recording.samples[77] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(prepare_speaker(recording), base::Error);
  recording.samples[77] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(prepare_emotion(recording), base::Error);
  recording.sample_rate = 0;
  EXPECT_THROW(prepare_emotion(recording), base::Error);
}

TEST(ReferenceAudio, SilenceIsFinite) {
  audio::Buffer silence{std::vector<float>(44100), 44100};
  const auto speaker = prepare_speaker(silence);
  for (const float value : speaker.speech.values) EXPECT_TRUE(std::isfinite(value));
  for (const float value : speaker.fbank) EXPECT_EQ(value, 0);
}

TEST(ReferenceAudio, FifteenSecondsAreUsed) {
  const auto exactly = prepare_speaker(tone(15, 22050));
  EXPECT_EQ(exactly.mel_frames, 1291);
  EXPECT_EQ(exactly.speech.steps(), 749);
  EXPECT_EQ(exactly.fbank_frames, 1498);
  EXPECT_DOUBLE_EQ(exactly.seconds, 15);
  for (const int rate : {22050, 48000}) {
    const auto longer = prepare_speaker(tone(40, rate));
    EXPECT_EQ(longer.mel_frames, 1291);
    EXPECT_EQ(longer.speech.steps(), 749);
    EXPECT_EQ(prepare_emotion(tone(40, rate)).steps(), 749);
  }
}

// What is cut off is not resampled; the samples before the cut must not notice.
TEST(ReferenceAudio, WhatComesAfterTheCutDoesNotMatter) {
  const auto longer = tone(40, 44100);
  auto shorter = longer;
  shorter.samples.resize(44100 * 20);
  EXPECT_EQ(prepare_speaker(longer).mel, prepare_speaker(shorter).mel);
  EXPECT_EQ(prepare_emotion(longer).values, prepare_emotion(shorter).values);
}

TEST(AudioWorkspace, GrowsWithTheReferenceUpToItsLimit) {
  const Widths widths;
  EXPECT_LT(speech_workspace_bytes(widths, 3), speech_workspace_bytes(widths, 15));
  EXPECT_EQ(speech_workspace_bytes(widths, 15), speech_workspace_bytes(widths, 600));
  EXPECT_LT(voice_workspace_bytes(widths, 3), voice_workspace_bytes(widths, 15));
  EXPECT_EQ(voice_workspace_bytes(widths, 15), voice_workspace_bytes(widths, 600));
}

TEST(AudioWorkspace, OfTheVocoderStopsGrowingButForTheSamples) {
  const Widths widths;
  const VocoderConfig config;
  const auto one = vocoder_workspace_bytes(widths, config, kVocoderPieceFrames);
  const auto ten = vocoder_workspace_bytes(widths, config, 10 * kVocoderPieceFrames);
  EXPECT_LT(vocoder_workspace_bytes(widths, config, 100), one);
  EXPECT_LT(ten - one, 48U << 20);
}

TEST(AudioWorkspace, OfTheFlowHoldsNoSquareOfTheFrames) {
  const Widths widths;
  const auto once = acoustic_workspace_bytes(widths, 8, 1291, 2580);
  const auto twice = acoustic_workspace_bytes(widths, 8, 2582, 5160);
  EXPECT_LT(twice, 2 * once);
  EXPECT_LT(acoustic_workspace_bytes(widths, 8, 1291, 2580, false), once);
}

}  // namespace
}  // namespace greenroom::models::index_tts
