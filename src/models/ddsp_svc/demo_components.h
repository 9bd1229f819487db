// The four kinds of component a demo voice is made of. Sizes come in as plain numbers; the tiny demo and the
// one of published dimensions are the same construction.
//
// Nothing is trained. Pitch net, voice and vocoder are designed so that a conversion is audibly sensible
// (pitch and loudness follow the recording): a few channels of every layer carry exactly what the design
// needs, the others are alive with noise and read by nobody who matters. The content encoder is noise alone:
// its units are then an arbitrary but deterministic function of the recording, which colours the timbre.
#pragma once

#include <cstdint>
#include <vector>

#include "models/ddsp_svc/demo_tensors.h"

namespace greenroom::models::ddsp_svc {

inline constexpr int kDemoSampleRate = 44100;
inline constexpr std::int64_t kDemoBlock = 512;
inline constexpr std::int64_t kDemoWindow = 2048;
inline constexpr int kDemoMels = 128;
inline constexpr double kDemoMelMinHz = 40;
inline constexpr double kDemoMelMaxHz = 16000;

// HuBERT base in fairseq's layout. heads = width / 64.
struct DemoEncoderShape {
  std::int64_t width = 128, layers = 12, inner = 128, conv = 32, projection = 32, labels = 104;
};
TensorSet demo_encoder(const DemoEncoderShape& shape, std::uint64_t seed);

// RMVPE (E2E0). `channels` is the width of the first U-Net level.
struct DemoPitchShape {
  std::int64_t channels = 2, blocks = 2, middle_layers = 2, hidden = 64;  // hidden >= 64
};
TensorSet demo_pitch(const DemoPitchShape& shape, std::uint64_t seed);

// A resonance of the vocal tract: a bump of `gain_db` at `hz`, `octaves` wide (standard deviation).
struct DemoFormant {
  double hz, gain_db, octaves;
};

// A voice of generation 6.3.
struct DemoVoiceShape {
  std::int64_t units = 128, aux_channels = 32, aux_layers = 2, channels = 176, layers = 2;
  std::vector<DemoFormant> formants;
  double tilt_db_per_octave = -6;              // above 500 Hz
  std::vector<double> speaker_shifts_octaves;  // formant shift of each speaker; one speaker has no table
};
TensorSet demo_voice(const DemoVoiceShape& shape, std::uint64_t seed);

// NSF-HiFiGAN with the mini-NSF source and its usual rates.
struct DemoVocoderShape {
  std::int64_t channels = 128;  // after conv_pre; a power of two, at least 128
  std::vector<int> rates = {8, 8, 2, 2, 2};
  std::vector<int> kernels = {16, 16, 4, 4, 4};
  std::vector<int> block_kernels = {3, 7, 11};
  std::vector<int> dilations = {1, 3, 5};
};
TensorSet demo_vocoder(const DemoVocoderShape& shape, std::uint64_t seed);

}  // namespace greenroom::models::ddsp_svc
