// BigVGAN v2: from mel frames to samples.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "models/index_tts/config.h"
#include "nn/filtered_snake.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// One doubling or quadrupling of the rate with the residual blocks behind it. Immutable; thread-safe.
class VocoderStage {
 public:
  VocoderStage(const nn::Weights& generator, const VocoderConfig& config, std::size_t index);

  // [1, channels, time] -> [1, channels / 2, time * rate]
  torch::Tensor operator()(const torch::Tensor& x) const { return blocks(upsample(x)); }
  torch::Tensor upsample(const torch::Tensor& x) const { return up_(x); }
  torch::Tensor blocks(const torch::Tensor& x) const;  // the mean of all
  // For comparison: what the first block makes, and its first activation.
  torch::Tensor first_block(const torch::Tensor& x) const { return blocks_.front()(x); }
  torch::Tensor first_activation(const torch::Tensor& x) const { return blocks_.front().activations[0](x); }

  std::int64_t rate() const { return up_.stride; }
  double input_context() const;         // input samples on each side that the upsampling looks at
  std::int64_t output_context() const;  // output samples on each side that the blocks look at

 private:
  // bigvgan.py: AMPBlock1
  struct Block {
    std::vector<nn::Conv1d> first, second;
    std::vector<nn::FilteredSnake> activations;  // one before each of them, in the order of use
    torch::Tensor operator()(torch::Tensor x) const;
  };
  nn::ConvTranspose1d up_;
  std::vector<Block> blocks_;
};

// The last activation and convolution. Immutable; thread-safe.
class VocoderEnd {
 public:
  VocoderEnd(const nn::Weights& generator, const VocoderConfig& config);
  torch::Tensor operator()(
      const torch::Tensor& x) const;  // [1, channels, samples] -> [1, samples], unclamped
  std::int64_t context() const { return conv_.padding + nn::FilteredSnake::kContext; }  // samples

 private:
  nn::FilteredSnake activation_;
  nn::Conv1d conv_;
};

// NVIDIA/BigVGAN bigvgan.py. Weight norm, in either spelling, is folded. Immutable; thread-safe.
class Vocoder {
 public:
  // The generator may be below "generator" or at the top of the file.
  Vocoder(const nn::Weights& file, VocoderConfig config);

  // mel [1, mels, frames], natural log -> [1, frames * hop] in [-1, 1]. Long input is generated in pieces
  // that overlap by the network's field of view, which changes nothing but the memory it takes. `after_part`
  // is told the share done, several times a piece, and may throw to stop.
  torch::Tensor synthesize(const torch::Tensor& mel,
                           const std::function<void(double share)>& after_part = {}) const;

  const VocoderConfig& config() const { return config_; }

  // Parts and the whole in one piece, for comparison.
  torch::Tensor begin(const torch::Tensor& mel) const { return begin_(mel); }
  const VocoderStage& stage(std::size_t index) const { return stages_.at(index); }
  torch::Tensor unclamped(const torch::Tensor& mel) const;

  // Frames of context on each side that stage `stage` and all later ones need.
  std::int64_t context_frames(std::size_t stage) const;

 private:
  torch::Tensor piece(const torch::Tensor& mel, std::int64_t first, std::int64_t end,
                      const std::function<void(std::size_t stages_done)>& after_stage) const;

  VocoderConfig config_;
  nn::Conv1d begin_;
  std::vector<VocoderStage> stages_;
  VocoderEnd end_;
};

}  // namespace greenroom::models::index_tts
