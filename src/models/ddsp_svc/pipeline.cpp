#include "models/ddsp_svc/pipeline.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "audio/frames.h"
#include "audio/join.h"
#include "audio/loudness.h"
#include "audio/pitch.h"
#include "audio/resample.h"
#include "base/error.h"

namespace greenroom::models::ddsp_svc {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kPitchRate = 16000;
constexpr double kPitchStepSeconds = 0.01;
constexpr int kDilateFrames = 4;
constexpr double kLongestPieceSeconds = 12;  // at degradation 1; half with each more
constexpr double kPieceOverlapSeconds = 0.1;
constexpr std::int64_t kShortestEncoderInput = 400;  // one frame of the convolution stack

double input_hop(const audio::Buffer& input, const VoiceConfig& config) {
  return static_cast<double>(config.block_size) * input.sample_rate / config.sampling_rate;
}

torch::Tensor to_tensor(const std::vector<float>& values, torch::Device device) {
  return torch::tensor(values, torch::kFloat32).to(device);
}

OdeMethod parse_method(const std::string& name) {
  if (name == "euler") return OdeMethod::kEuler;
  if (name == "rk4") return OdeMethod::kRk4;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("infer.method of the model's config is \"{}\"; known are euler and rk4", name));
}

SpeakerMix resolve_speakers(const ConvertOptions& options, int speakers) {
  SpeakerMix mix = options.speaker_mix;
  if (mix.empty()) mix = {{options.speaker, 1.0}};
  for (const auto& [speaker, weight] : mix) {
    if (speaker < 1 || speaker > speakers) {
      throw Error(
          ErrorCode::kInvalidArgument,
          speakers == 1
              ? fmt::format("there is no speaker {}: this voice has one speaker, number 1", speaker)
              : fmt::format("there is no speaker {}: this voice has speakers 1 to {}", speaker, speakers));
    }
    if (!std::isfinite(weight)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("the weight of speaker {} is not a number", speaker));
    }
  }
  return mix;
}

void check_range(const char* what, double value, double low, double high) {
  if (value >= low && value <= high) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{} is {}; allowed are {} to {}", what, value, low, high));
}

class Timer {
 public:
  Timer(StageClock& clock, const char* stage) : clock_(clock), stage_(stage) {}
  ~Timer() {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
    clock_.add(stage_, elapsed.count());
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  StageClock& clock_;
  const char* stage_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

torch::Tensor encode_segment(const ContentEncoder& encoder, torch::Device device,
                             std::span<const float> samples, int sample_rate, const VoiceConfig& config,
                             double hop, std::int64_t n_frames, const ContentEncoder::Pause& pause) {
  auto resampled = audio::resample_sinc(samples, sample_rate, config.encoder_sample_rate);
  if (static_cast<std::int64_t>(resampled.size()) < kShortestEncoderInput)
    resampled.resize(kShortestEncoderInput);
  const auto units = encoder.encode(to_tensor(resampled, device).unsqueeze(0), pause);
  return align_units(units, hop, sample_rate, config.encoder_hop_size, config.encoder_sample_rate, n_frames);
}

}  // namespace

PitchPadding pitch_padding(Generation generation) {
  return generation < Generation::k63 ? PitchPadding::kLogMel : PitchPadding::kAudio;
}

MelMagnitude mel_magnitude(Generation generation) {
  return generation < Generation::k63 ? MelMagnitude::kSmoothed : MelMagnitude::kPlain;
}

void StageClock::add(const std::string& stage, double seconds) {
  for (auto& entry : times_) {
    if (entry.stage != stage) continue;
    entry.seconds += seconds;
    return;
  }
  times_.push_back({stage, seconds});
}

std::vector<double> analyse_pitch(const PitchNet& net, torch::Device device, const audio::Buffer& input,
                                  const VoiceConfig& config, Generation generation,
                                  const ConvertOptions& options, const PitchNet::Progress& progress) {
  const double hop = input_hop(input, config);
  const auto resampled = audio::resample_sinc(input.samples, input.sample_rate, kPitchRate);
  const auto track = net.track(to_tensor(resampled, device), pitch_padding(generation), progress);
  const std::int64_t frames = audio::frame_count(static_cast<std::int64_t>(input.samples.size()), hop);
  auto f0 = audio::regrid_pitch(track, kPitchStepSeconds, hop, input.sample_rate, frames);
  audio::fill_unvoiced(f0, options.f0_min_hz);
  return f0;
}

Analysis analyse(const audio::Buffer& input, const VoiceConfig& config, Generation generation,
                 const ConvertOptions& options) {
  Analysis result;
  result.hop = input_hop(input, config);
  const bool by_deviation = generation >= Generation::k62;
  if (by_deviation) {
    const double window =
        config.volume_smooth_size.value_or(config.block_size) * input.sample_rate / config.sampling_rate;
    result.volume = audio::volume_deviation(input.samples, result.hop, window);
  } else {
    result.volume = audio::volume_rms(input.samples, result.hop);
  }
  const auto mask =
      audio::loudness_mask(result.volume, options.threshold_db, by_deviation ? 0 : kDilateFrames);
  result.mask = audio::upsample_frames(mask, config.block_size);
  result.segments = audio::slice(input.samples, input.sample_rate, result.hop);
  if (result.segments.empty()) {
    const auto samples = static_cast<std::int64_t>(input.samples.size());
    result.segments.push_back({0, 0, samples});  // shorter than one frame: still one frame of output
  }
  if (options.degradation > 0) {
    const double frames_per_second = config.sampling_rate / static_cast<double>(config.block_size);
    const double seconds = kLongestPieceSeconds / std::exp2(options.degradation - 1);
    const auto longest = static_cast<std::int64_t>(seconds * frames_per_second);
    const auto overlap = static_cast<std::int64_t>(kPieceOverlapSeconds * frames_per_second);
    result.segments =
        audio::cut_long_segments(result.segments, result.hop, std::max(longest, overlap + 1), overlap);
  }
  return result;
}

ResolvedOptions resolve_options(const ConvertOptions& options, const VoiceConfig& config,
                                const VocoderConfig& vocoder, Generation generation, int speakers,
                                bool shifts_formants) {
  check_range("the key shift", options.key_semitones, -60, 60);
  check_range("the formant shift", options.formant_semitones, -24, 24);
  check_range("the vocal register shift", options.vocal_register_semitones, -24, 24);
  check_range("the degradation", options.degradation, 0, kDegradations);
  check_range("the silence threshold", options.threshold_db, -200, 0);
  check_range("the lowest pitch", options.f0_min_hz, 1, 2000);
  if (options.f0_extractor != "rmvpe") {
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("the pitch extractor \"{}\" is not available; use rmvpe", options.f0_extractor));
  }
  ResolvedOptions resolved;
  resolved.speakers = resolve_speakers(options, speakers);
  if (options.degradation > 0) {
    resolved.notices.push_back(fmt::format("converted in pieces of at most {:g} s, to need less memory",
                                           kLongestPieceSeconds / std::exp2(options.degradation - 1)));
  }
  resolved.key_factor = std::exp2(options.key_semitones / 12);
  resolved.flow.steps = options.steps.value_or(config.infer_step);
  check_range("the number of steps", resolved.flow.steps, 1, 1000);
  resolved.flow.method = options.method ? *options.method : parse_method(config.infer_method);
  const double t_start = options.t_start.value_or(config.t_start);
  check_range("t_start", t_start, -1, 1);
  resolved.flow.t_start = std::max(t_start, config.t_start);
  if (options.t_start && *options.t_start < config.t_start) {
    resolved.notices.push_back(fmt::format(
        "t_start raised from {} to {}, the lowest this voice was trained for", t_start, config.t_start));
  }
  if (options.formant_semitones != 0 && !shifts_formants) {
    resolved.notices.push_back(
        "formant shift ignored: this voice was trained without it (model.use_pitch_aug)");
  } else {
    resolved.formant_semitones = options.formant_semitones;
  }
  if (options.vocal_register_semitones != 0) {
    if (generation >= Generation::k63 && vocoder.pc_aug) {
      resolved.register_factor = std::exp2(options.vocal_register_semitones / 12);
    } else {
      resolved.notices.push_back(
          "vocal register shift ignored: it needs a 6.3 voice with a pitch-controllable vocoder (pc_aug in "
          "its "
          "config.json)");
    }
  }
  return resolved;
}

SegmentOutput convert_segment(const Networks& networks, torch::Device device, const audio::Buffer& input,
                              const Analysis& analysis, std::size_t segment, const ResolvedOptions& options,
                              nn::NoiseSource& noise, StageClock& clock,
                              const std::function<void(double)>& progress) {
  // Rough shares of the time, for the progress bar only.
  constexpr double kUnitsShare = 0.15;
  constexpr double kFlowShare = 0.5;
  const auto tell = [&](double fraction) {
    if (progress) progress(fraction);
  };
  const auto& config = networks.voice.config();
  const auto& cut = analysis.segments[segment];
  const auto samples = std::span(input.samples)
                           .subspan(static_cast<std::size_t>(cut.first_sample),
                                    static_cast<std::size_t>(cut.end_sample - cut.first_sample));
  const auto available = static_cast<std::int64_t>(analysis.f0.size()) - cut.start_frame;
  const std::int64_t frames =
      std::min(audio::frame_count(static_cast<std::int64_t>(samples.size()), analysis.hop), available);
  SegmentOutput output;
  {
    const Timer timer(clock, "units");
    output.units = encode_segment(networks.encoder, device, samples, input.sample_rate, config, analysis.hop,
                                  frames, [&] { tell(0); });
    tell(kUnitsShare);
  }
  const auto first = cut.start_frame;
  const std::vector<float> f0_values(analysis.f0.begin() + first, analysis.f0.begin() + first + frames);
  const std::vector<float> volume_values(analysis.volume.begin() + first,
                                         analysis.volume.begin() + first + frames);
  const auto f0 = to_tensor(f0_values, device).view({1, -1, 1}) * options.key_factor;
  const auto volume = to_tensor(volume_values, device).view({1, -1, 1});
  {
    const Timer timer(clock, "control");
    const VoiceInput voice_input{output.units, f0 / options.register_factor, volume, options.speakers,
                                 options.formant_semitones};
    output.sketch = networks.voice.sketch(voice_input, noise).audio;
    const MelExtractor extract(networks.vocoder.config(), mel_magnitude(networks.voice.generation()), device);
    output.sketch_mel = extract(output.sketch);
  }
  {
    const Timer timer(clock, "flow");
    const auto drawn = noise.normal("flow", {1, 1, output.sketch_mel.size(2), frames}, device);
    output.mel = integrate_flow(
        networks.voice.velocity(), output.sketch_mel, drawn.squeeze(1).transpose(1, 2), options.flow,
        [&](int done) { tell(kUnitsShare + kFlowShare * done / options.flow.steps); });
  }
  const Timer timer(clock, "vocoder");
  output.audio = networks.vocoder.synthesize(output.mel, f0.squeeze(2), noise, [&](std::int64_t done) {
    tell(kUnitsShare + kFlowShare +
         (1 - kUnitsShare - kFlowShare) * static_cast<double>(done) / static_cast<double>(frames));
  });
  return output;
}

void join_segment(std::vector<double>& joined, const torch::Tensor& audio, const Analysis& analysis,
                  std::size_t segment, std::int64_t block_size) {
  const auto values = audio.to(torch::kCPU).contiguous();
  const auto* samples = values.data_ptr<float>();
  const std::int64_t start = analysis.segments[segment].start_frame * block_size;
  std::vector<float> masked(static_cast<std::size_t>(values.numel()));
  for (std::size_t i = 0; i < masked.size(); ++i) {
    const std::size_t at = static_cast<std::size_t>(start) + i;
    masked[i] = samples[i] * (at < analysis.mask.size() ? analysis.mask[at] : 0.0F);
  }
  audio::append_segment(joined, masked, start);
}

}  // namespace greenroom::models::ddsp_svc
