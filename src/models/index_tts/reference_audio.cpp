#include "models/index_tts/reference_audio.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "audio/log_mel.h"
#include "audio/resample.h"
#include "audio/resample_soxr.h"
#include "base/error.h"

namespace greenroom::models::index_tts {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kTorchaudioFilterWidth = 6;  // torchaudio.transforms.Resample's default

// Resampled and cut as librosa.load() and upstream's cut do it.
std::vector<float> load(const audio::Buffer& recording, int rate) {
  if (recording.sample_rate <= 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the reference recording has a rate of {} Hz", recording.sample_rate));
  }
  if (recording.seconds() < kShortestReference) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("the reference recording is {:.3f} s long; at least {} s are needed, and 3 to 15 s "
                    "of clear speech are best",
                    recording.seconds(), kShortestReference));
  }
  // What will be cut off is not resampled, but for a second that the filter may look ahead.
  const auto looked_at = static_cast<std::size_t>((kReferenceSeconds + 1) * recording.sample_rate);
  const std::span<const float> samples(recording.samples.data(),
                                       std::min(recording.samples.size(), looked_at));
  if (!std::all_of(samples.begin(), samples.end(), [](float sample) { return std::isfinite(sample); })) {
    throw Error(ErrorCode::kInvalidArgument, "the reference recording has samples that are not numbers");
  }
  auto resampled = audio::resample_soxr_hq(samples, recording.sample_rate, rate);
  const auto longest = static_cast<std::size_t>(kReferenceSeconds * rate);
  if (resampled.size() > longest) resampled.resize(longest);
  return resampled;
}

}  // namespace

SpeakerAudio prepare_speaker(const audio::Buffer& recording) {
  const auto at_output_rate = load(recording, kOutputRate);
  const auto at_speech_rate =
      audio::resample_sinc(at_output_rate, kOutputRate, audio::kSpeechRate, kTorchaudioFilterWidth);
  SpeakerAudio result;
  result.seconds = static_cast<double>(at_output_rate.size()) / kOutputRate;
  result.speech = audio::seamless_features(at_speech_rate);
  result.fbank = audio::kaldi_fbank(at_speech_rate, 1);
  audio::subtract_mean(result.fbank);
  result.fbank_frames = static_cast<std::int64_t>(result.fbank.size()) / audio::kSpeechMels;
  const audio::LogMelSettings settings;
  result.mel = audio::log_mel(at_output_rate, settings);
  result.mel_frames = static_cast<std::int64_t>(result.mel.size()) / settings.mels;
  return result;
}

audio::SteppedFeatures prepare_emotion(const audio::Buffer& recording) {
  return audio::seamless_features(load(recording, audio::kSpeechRate));
}

}  // namespace greenroom::models::index_tts
