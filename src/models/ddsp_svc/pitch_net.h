// RMVPE: a pitch track from 16 kHz audio, one value every 10 ms.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "models/ddsp_svc/workspace.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::ddsp_svc {

// How the recording is brought to a multiple of 32 frames for the U-Net.
enum class PitchPadding {
  kLogMel,  // zeros behind the log-mel spectrogram (6.0 to 6.2)
  kAudio,   // zeros behind the audio (6.3 and later)
};

// RMVPE's E2E0: U-Net over the log-mel spectrogram, GRU, 360 pitch bins of 20 cents. Immutable; thread-safe.
//
// More frames than kPitchPieceFrames go through the U-Net in pieces that overlap by its field of view, and
// through the GRU one piece after the other with its state handed on in both directions: the result is that
// of the whole. What is kept of all of it are the U-Net's outputs, 1.5 KB a frame.
class PitchNet {
 public:
  // Told the share that is done, several times a piece; may throw to stop.
  using Progress = std::function<void(double)>;

  explicit PitchNet(const nn::Weights& file);

  // audio [samples] at 16 kHz -> Hz per 10 ms frame (0 = unvoiced), samples / 160 + 1 of them.
  std::vector<float> track(const torch::Tensor& audio, PitchPadding padding,
                           const Progress& progress = {}) const;

  // The stages of track, for tests. log_mel [1, 128, frames]; salience [1, frames, 360]. `piece_frames`: at
  // most so many at a time, the overlap included, if that leaves any.
  torch::Tensor log_mel(const torch::Tensor& audio) const;
  torch::Tensor salience(const torch::Tensor& audio, PitchPadding padding,
                         std::int64_t piece_frames = kPitchPieceFrames) const;
  static std::vector<float> decode(const torch::Tensor& salience, double threshold = 0.03);

  struct UnetOutputs {
    torch::Tensor encoder;       // deepest, after pooling
    torch::Tensor intermediate;  // between encoder and decoder
    torch::Tensor decoder;       // [1, channels, frames, mels]
  };
  // frames a multiple of 32
  UnetOutputs unet(const torch::Tensor& log_mel, const Progress& progress = {}) const;

  // Frames of context each side that an output frame of the U-Net depends on; a multiple of 32.
  std::int64_t context_frames() const;

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
  class Input;
  // What is computed at a time: the frames [first, end).
  struct Piece {
    std::int64_t first = 0, end = 0;
  };
  std::vector<Piece> cut(std::int64_t frames, std::int64_t piece_frames) const;
  torch::Tensor log_mel_of_padded(const torch::Tensor& padded) const;
  torch::Tensor features(const Input& input, const Piece& piece, const Progress& progress) const;
  torch::Tensor state_before(const torch::Tensor& features, const torch::Tensor& state_behind) const;
  void salience_in_pieces(const Input& input, std::int64_t piece_frames, const Progress& progress,
                          const std::function<void(torch::Tensor)>& take) const;

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
