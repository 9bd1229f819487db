// The conversion program: analysis of the whole recording, then segment by segment through the networks
// (map, section 3; upstream's main_reflow).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "audio/buffer.h"
#include "audio/slicer.h"
#include "models/ddsp_svc/content_encoder.h"
#include "models/ddsp_svc/description.h"
#include "models/ddsp_svc/pitch_net.h"
#include "models/ddsp_svc/vocoder.h"
#include "models/ddsp_svc/voice.h"
#include "models/voice.h"
#include "nn/noise.h"

namespace greenroom::models::ddsp_svc {

PitchPadding pitch_padding(Generation generation);
MelMagnitude mel_magnitude(Generation generation);

// What is known of a recording before any segment is converted.
struct Analysis {
  double hop = 0;             // input samples per model frame, fractional
  std::vector<double> f0;     // Hz per frame, unvoiced frames filled, before the key shift
  std::vector<float> volume;  // per frame
  std::vector<float> mask;    // per output sample, 0..1
  std::vector<audio::Segment> segments;
};

// Pitch of the whole recording. The only part that needs the pitch network. `progress` is told the share that
// is done and may throw to stop.
std::vector<double> analyse_pitch(const PitchNet& net, torch::Device device, const audio::Buffer& input,
                                  const VoiceConfig& config, Generation generation,
                                  const ConvertOptions& options, const PitchNet::Progress& progress = {});

// Everything else; fills all but f0.
Analysis analyse(const audio::Buffer& input, const VoiceConfig& config, Generation generation,
                 const ConvertOptions& options);

// `options` checked against the model and completed with its defaults.
struct ResolvedOptions {
  SpeakerMix speakers;
  FlowOptions flow;
  double key_factor = 1;
  double register_factor = 1;
  double formant_semitones = 0;
  std::vector<std::string> notices;
};
// Throws base::Error(kInvalidArgument).
ResolvedOptions resolve_options(const ConvertOptions& options, const VoiceConfig& config,
                                const VocoderConfig& vocoder, Generation generation, int speakers,
                                bool shifts_formants);

struct Networks {
  const ContentEncoder& encoder;
  const Voice& voice;
  const Vocoder& vocoder;
};

// What each step of one segment produced; the tensors are as the networks give them.
struct SegmentOutput {
  torch::Tensor units;       // [1, frames, width]
  torch::Tensor sketch;      // [1, frames * hop]
  torch::Tensor sketch_mel;  // [1, frames, mels]
  torch::Tensor mel;         // [1, frames, mels]
  torch::Tensor audio;       // [1, frames * hop], before the mask
};

// Measures the time of each stage over all segments.
class StageClock {
 public:
  void add(const std::string& stage, double seconds);
  const std::vector<StageTime>& times() const { return times_; }

 private:
  std::vector<StageTime> times_;
};

// `progress` is told the fraction of this segment that is done and may throw to stop.
SegmentOutput convert_segment(const Networks& networks, torch::Device device, const audio::Buffer& input,
                              const Analysis& analysis, std::size_t segment, const ResolvedOptions& options,
                              nn::NoiseSource& noise, StageClock& clock,
                              const std::function<void(double)>& progress = {});

// Masks a segment and puts it in its place behind the ones before.
void join_segment(std::vector<double>& joined, const torch::Tensor& audio, const Analysis& analysis,
                  std::size_t segment, std::int64_t block_size);

}  // namespace greenroom::models::ddsp_svc
