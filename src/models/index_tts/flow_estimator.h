// The velocity field of the flow from noise to mel frames: a diffusion transformer, then a small WaveNet.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "models/index_tts/wavenet.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

// What the frames are to be like. All on the model's device.
struct FlowCondition {
  torch::Tensor content;    // [1, frames, content width]: the reference's, then the new speech's
  torch::Tensor reference;  // [1, reference frames, mels], log mel
  torch::Tensor style;      // [1, 192]
};

// s2mel/modules/diffusion_transformer.py: DiT. Immutable; thread-safe.
class FlowEstimator {
 public:
  // The "cfm" network of s2mel.pth. `heads`: config.yaml, s2mel.DiT.num_heads; no shape tells it.
  FlowEstimator(const nn::Weights& file, int heads);

  // Everything that does not depend on the state of the flow, computed once a run.
  struct Prepared {
    torch::Tensor base;                      // [batch, frames, width]: the conditions, merged
    torch::Tensor rotations;                 // complex [frames, 1, head_dim / 2]
    std::vector<torch::Tensor> modulations;  // per norm [times, 2 * width]: gain, then shift
    torch::Tensor gates;                     // [times, ...] for the WaveNet
    torch::Tensor final_modulation;          // [times, 2 * width]: shift, then scale
    std::int64_t first_frame = 0;            // frames before it are not asked for
  };

  // `times` are those that velocity() will be asked for. Guided: the batch is two, the second without any
  // condition. `first_frame`: where the wanted frames begin; what only earlier ones need is not computed.
  Prepared prepare(const FlowCondition& condition, std::span<const float> times, bool guided,
                   std::int64_t first_frame) const;

  // x [1, frames, mels] at times[time_index] -> [batch, frames - first_frame, mels].
  torch::Tensor velocity(const torch::Tensor& x, std::int64_t time_index, const Prepared& prepared) const;

  // Stations of velocity() on the way, for comparison.
  struct Stations {
    torch::Tensor merged, layer0, transformer, wavenet;
  };
  torch::Tensor run(const torch::Tensor& x, std::int64_t time_index, const Prepared& prepared,
                    Stations* stations) const;
  torch::Tensor embed_times(std::span<const float> times) const;  // [times, width], the first embedder's

  std::int64_t mels() const { return mels_; }

 private:
  struct TimeEmbedder {
    nn::Linear first, second;
    torch::Tensor operator()(const torch::Tensor& features) const;
  };
  struct AdaNorm {
    torch::Tensor gain;  // [width]
    nn::Linear project;
  };
  struct Block {
    AdaNorm attention_norm, feed_norm;
    nn::Linear qkv, out, gate, up, down;
    nn::Linear skip_in;  // used in the second half only, and read there only
  };
  void load_ends(const nn::Weights& weights);
  static AdaNorm load_norm(const nn::Weights& weights);
  void load_blocks(const nn::Weights& transformer);
  torch::Tensor modulation(const AdaNorm& norm, const torch::Tensor& embedded) const;
  torch::Tensor attend(const Block& block, const torch::Tensor& x, std::int64_t first_query,
                       const torch::Tensor& rotations) const;
  torch::Tensor transform(torch::Tensor x, std::int64_t time_index, const Prepared& prepared,
                          std::int64_t first_frame, Stations* stations) const;

  std::int64_t mels_ = 0;
  std::int64_t heads_;
  torch::Tensor merge_x_, merge_reference_, merge_content_, merge_style_;  // [width, part], views of one
  torch::Tensor merge_bias_;
  nn::Linear content_projection_;
  TimeEmbedder transformer_time_, wavenet_time_;
  std::vector<Block> blocks_;
  AdaNorm final_norm_;
  nn::Linear skip_, conv1_, residual_, final_modulation_, final_linear_, conv2_;
  Wavenet wavenet_;
};

}  // namespace greenroom::models::index_tts
