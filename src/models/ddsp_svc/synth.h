// The DDSP synthesiser: a comb of sinc pulses and white noise, both filtered frame by frame
// (CombSubSuperFast).
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "models/ddsp_svc/unit2control.h"

namespace greenroom::models::ddsp_svc {

struct CombSource {
  torch::Tensor comb;          // [1, frames, hop]
  torch::Tensor phase_frames;  // [1, frames, 1], radians at each frame's start
};

// Band-limited pulse train whose pitch moves linearly inside each frame. f0 [1, frames, 1] Hz.
// DDSP-SVC ddsp/vocoder.py, fast_source_gen.
CombSource comb_source(const torch::Tensor& f0, int sample_rate, std::int64_t hop);

// exciter and noise [1, samples]; returns [1, samples].
torch::Tensor filter_sources(const torch::Tensor& comb, const torch::Tensor& noise, const Controls& controls,
                             std::int64_t win_length, std::int64_t hop);

}  // namespace greenroom::models::ddsp_svc
