// ContentVec / HuBERT base: what is said, without who says it. Maps 16 kHz audio to one vector every 20 ms.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::ddsp_svc {

// How units are taken from the network.
enum class UnitsKind {
  kLayer12,       // contentvec768l12: output of layer 12
  kLayer12Tta2x,  // contentvec768l12tta2x: two passes half a frame apart, interleaved to 10 ms
  kLayer9,        // contentvec768, hubertbase768: output of layer 9
  kLayer9Proj,    // contentvec, hubertbase: layer 9 through final_proj
};

// From data.encoder of the config. Throws base::Error(kUnimplemented) naming the encoder when it is another
// one.
UnitsKind units_kind(std::string_view encoder_name);

// fairseq/models/hubert (post-LayerNorm base model); reads fairseq's key names and Hugging Face's.
// Immutable; thread-safe.
class ContentEncoder {
 public:
  // `heads` = 0 takes the width of published models, 64 per head.
  explicit ContentEncoder(const nn::Weights& file, UnitsKind kind, int heads = 0);

  // Called between the pieces and the layers of an encoding; may throw to stop.
  using Pause = std::function<void()>;

  // audio [1, samples] at 16 kHz, samples >= 400 -> units [1, frames, width].
  torch::Tensor encode(const torch::Tensor& audio, const Pause& pause = {}) const;

  // The stages of encode, for tests: conv features [1, frames, conv width]; after projection; output of
  // `layer` (1-based).
  torch::Tensor conv_features(const torch::Tensor& audio, const Pause& pause = {}) const;
  torch::Tensor project(const torch::Tensor& features) const;
  torch::Tensor layer_output(const torch::Tensor& audio, int layer, const Pause& pause = {}) const;
  torch::Tensor final_projection(const torch::Tensor& hidden) const;
  torch::Tensor encode_tta2x(const torch::Tensor& audio, const Pause& pause = {}) const;

  int layers() const { return static_cast<int>(layers_.size()); }

 private:
  struct Layer {
    nn::Linear q, k, v, out;
    nn::LayerNorm attention_norm;
    nn::Linear up, down;
    nn::LayerNorm final_norm;
  };
  torch::Tensor first_conv(const torch::Tensor& audio) const;
  torch::Tensor conv_features_in_chunks(const torch::Tensor& audio, const Pause& pause) const;
  torch::Tensor run_layer(const Layer& layer, const torch::Tensor& x) const;

  UnitsKind kind_;
  int heads_ = 12;
  std::vector<nn::Conv1d> convs_;
  nn::GroupNorm first_norm_;
  nn::LayerNorm feature_norm_;
  nn::Linear feature_projection_;
  nn::Conv1d position_conv_;
  nn::LayerNorm input_norm_;
  std::vector<Layer> layers_;
  nn::Linear final_proj_;  // undefined weight when the kind does not need it
};

// Frame i of the result is unit round(ratio * i), ratio = (hop / sample_rate) / (encoder_hop / encoder_rate),
// as upstream picks them; in float32, half to even (map, section 10).
torch::Tensor align_units(const torch::Tensor& units, double hop, int sample_rate, int encoder_hop,
                          int encoder_rate, std::int64_t n_frames);
std::vector<std::int64_t> alignment_indexes(std::int64_t n_units, double ratio, std::int64_t n_frames);

}  // namespace greenroom::models::ddsp_svc
