// RMVPE: a pitch track from 16 kHz audio, one value every 10 ms.
#pragma once

#include <torch/types.h>

#include <vector>

#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::ddsp_svc {

// How the recording is brought to a multiple of 32 frames for the U-Net.
enum class PitchPadding {
  kLogMel,  // zeros behind the log-mel spectrogram (6.0 to 6.2)
  kAudio,   // zeros behind the audio (6.3 and later)
};

// RMVPE's E2E0: U-Net over the log-mel spectrogram, GRU, 360 pitch bins of 20 cents. Immutable; thread-safe.
class PitchNet {
 public:
  explicit PitchNet(const nn::Weights& file);

  // audio [samples] at 16 kHz -> Hz per 10 ms frame (0 = unvoiced), samples / 160 + 1 of them.
  std::vector<float> track(const torch::Tensor& audio, PitchPadding padding) const;

  // The stages of track, for tests. log_mel [1, 128, frames]; salience [1, frames, 360].
  torch::Tensor log_mel(const torch::Tensor& audio) const;
  torch::Tensor salience(const torch::Tensor& audio, PitchPadding padding) const;
  static std::vector<float> decode(const torch::Tensor& salience, double threshold = 0.03);

  struct UnetOutputs {
    torch::Tensor encoder;       // deepest, after pooling
    torch::Tensor intermediate;  // between encoder and decoder
    torch::Tensor decoder;       // [1, channels, frames, mels]
  };
  UnetOutputs unet(const torch::Tensor& log_mel) const;  // frames a multiple of 32

 private:
  // A convolution with its batch normalisation folded in.
  struct Conv2d {
    torch::Tensor weight, bias;
  };
  struct Block {
    Conv2d first, second;
    torch::Tensor shortcut_weight, shortcut_bias;  // undefined for the identity
    torch::Tensor operator()(const torch::Tensor& x) const;
  };
  struct UpLayer {
    Conv2d up;
    std::vector<Block> blocks;
  };
  static Conv2d fold(const nn::Weights& conv, const nn::Weights& norm, int out_dim);
  static std::vector<Block> load_blocks(const nn::Weights& scope);
  torch::Tensor network(const torch::Tensor& log_mel) const;

  torch::Tensor filters_;  // [128, 513]
  double input_scale_ = 1, input_shift_ = 0;
  std::vector<std::vector<Block>> down_;
  std::vector<std::vector<Block>> middle_;
  std::vector<UpLayer> up_;
  torch::Tensor cnn_weight_, cnn_bias_;
  std::vector<torch::Tensor> gru_;
  std::int64_t gru_hidden_ = 256;
  nn::Linear out_;
};

}  // namespace greenroom::models::ddsp_svc
