// From what the language model says to what the flow is to say: content for every mel frame.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// Mel frames for that many codes: trunc(codes * 1.72) in float32, as upstream computes it.
std::int64_t target_frames(std::int64_t codes);

// Two small networks of s2mel.pth: gpt_layer, and s2mel/modules/length_regulator.py, InterpolateRegulator
// with continuous input. Immutable; thread-safe.
class Regulator {
 public:
  // The networks may be below "net" or at the top of the file, and their names may carry "module.".
  explicit Regulator(const nn::Weights& file);

  // Hidden states of the language model [1, n, 1280] -> [1, n, content width], to be added to the features of
  // its codes.
  torch::Tensor project_latent(const torch::Tensor& latent) const;

  // Stretched to `frames` and smoothed: features [1, steps, content width] -> [1, frames, channels]. Its
  // norms run over the whole sequence, so the result depends on its length. REQUIRES: steps > 0, frames > 0.
  torch::Tensor stretch(const torch::Tensor& features, std::int64_t frames) const;

 private:
  struct Block {
    nn::Conv1d conv;
    nn::GroupNorm norm;
  };
  std::vector<nn::Linear> latent_layers_;
  nn::Linear in_;
  std::vector<Block> blocks_;
  nn::Conv1d out_;
};

// The scope of one network of s2mel.pth, found by a tensor that it must have: below "net" or not, below
// "module" or not. Throws base::Error(kDataLoss).
nn::Weights find_s2mel_part(const nn::Weights& file, const char* part, const char* probe);

}  // namespace greenroom::models::index_tts
