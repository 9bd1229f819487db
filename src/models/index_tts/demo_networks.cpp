#include "models/index_tts/demo_networks.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string>

namespace greenroom::models::index_tts {
namespace {

using ddsp_svc::DemoTensor;
using ddsp_svc::unit_gain;
using Shape = std::vector<std::int64_t>;

// Layers by their torch names below a prefix.
class Builder {
 public:
  Builder(TensorSet& set, std::string prefix) : set_(set), prefix_(std::move(prefix)) {}

  Builder sub(const std::string& name) const { return {set_, prefix_ + name + "."}; }

  DemoTensor& weight(const Shape& shape) const {
    std::int64_t fan_in = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
    return set_.noise(prefix_ + "weight", shape, unit_gain(fan_in));
  }
  void layer(const Shape& shape) const {
    weight(shape);
    set_.noise(prefix_ + "bias", {shape[0]}, kSmall);
  }
  void norm(std::int64_t width) const {
    set_.constant(prefix_ + "weight", {width}, 1);
    set_.constant(prefix_ + "bias", {width}, 0);
  }
  void batch_norm(std::int64_t width, bool affine = true) const {
    if (affine) norm(width);
    set_.noise(prefix_ + "running_mean", {width}, kSmall);
    set_.constant(prefix_ + "running_var", {width}, 1);
    set_.integer(prefix_ + "num_batches_tracked", 1);
  }
  void weight_norm(const Shape& shape, int axis = 0, bool bias = true) const {
    std::int64_t fan_in = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
    std::string name = prefix_;
    name.pop_back();
    set_.weight_norm(name, shape, axis, unit_gain(fan_in));
    if (bias) set_.noise(prefix_ + "bias", {axis == 0 ? shape[0] : shape[1]}, kSmall);
  }
  DemoTensor& noise(const std::string& name, const Shape& shape, float amplitude) const {
    return set_.noise(prefix_ + name, shape, amplitude);
  }
  void constant(const std::string& name, const Shape& shape, float value) const {
    set_.constant(prefix_ + name, shape, value);
  }

 private:
  static constexpr float kSmall = 0.02F;
  TensorSet& set_;
  std::string prefix_;
};

std::string number(std::int64_t i) {
  return fmt::format("{}", i);
}

void add_speech_layer(const Builder& layer, const DemoShapes& s) {
  for (const std::string ffn : {"ffn1", "ffn2"}) {
    layer.sub(ffn + "_layer_norm").norm(s.speech);
    layer.sub(ffn).sub("intermediate_dense").layer({s.speech_inner, s.speech});
    layer.sub(ffn).sub("output_dense").layer({s.speech, s.speech_inner});
  }
  layer.sub("self_attn_layer_norm").norm(s.speech);
  for (const std::string name : {"linear_q", "linear_k", "linear_v", "linear_out"}) {
    layer.sub("self_attn").sub(name).layer({s.speech, s.speech});
  }
  layer.sub("self_attn").sub("distance_embedding").weight({73, s.speech / s.speech_heads});
  const Builder conv = layer.sub("conv_module");
  conv.sub("layer_norm").norm(s.speech);
  conv.sub("pointwise_conv1").weight({2 * s.speech, s.speech, 1});
  conv.sub("depthwise_conv").weight({s.speech, 1, 31});
  conv.sub("depthwise_layer_norm").norm(s.speech);
  conv.sub("pointwise_conv2").weight({s.speech, s.speech, 1});
  layer.sub("final_layer_norm").norm(s.speech);
}

void add_codec_backbone(const Builder& backbone, const DemoShapes& s) {
  backbone.sub("embed").layer({s.codec, s.speech, 7});
  backbone.sub("norm").norm(s.codec);
  for (std::int64_t i = 0; i < s.codec_layers; ++i) {
    const Builder block = backbone.sub("convnext").sub(number(i));
    block.constant("gamma", {s.codec}, 0.5F);
    block.sub("dwconv").layer({s.codec, 1, 7});
    block.sub("norm").norm(s.codec);
    block.sub("pwconv1").layer({s.codec_inner, s.codec});
    block.sub("pwconv2").layer({s.codec, s.codec_inner});
  }
  backbone.sub("final_layer_norm").norm(s.codec);
}

void add_res_block(const Builder& block, bool shortcut) {
  constexpr std::int64_t kChannels = 32;
  for (const std::string i : {"1", "2"}) {
    block.sub("conv" + i).weight({kChannels, kChannels, 3, 3});
    block.sub("bn" + i).batch_norm(kChannels);
  }
  if (!shortcut) return;
  block.sub("shortcut.0").weight({kChannels, kChannels, 1, 1});
  block.sub("shortcut.1").batch_norm(kChannels);
}

void add_dense_layer(const Builder& layer, const DemoShapes& s, std::int64_t channels) {
  layer.sub("nonlinear1").sub("batchnorm").batch_norm(channels);
  layer.sub("linear1").weight({s.speaker_bottleneck, channels, 1});
  layer.sub("nonlinear2").sub("batchnorm").batch_norm(s.speaker_bottleneck);
  const Builder cam = layer.sub("cam_layer");
  cam.sub("linear_local").weight({s.speaker_growth, s.speaker_bottleneck, 3});
  cam.sub("linear1").layer({s.speaker_bottleneck / 2, s.speaker_bottleneck, 1});
  cam.sub("linear2").layer({s.speaker_growth, s.speaker_bottleneck / 2, 1});
}

struct ConditionerShapes {
  std::int64_t blocks, heads, inner, latents, latent_width, perceiver_heads;
};

void add_conformer(const Builder& conformer, const DemoShapes& s, const ConditionerShapes& c) {
  const std::int64_t width = s.conditioner;
  conformer.sub("embed.conv.0").layer({width, 1, 3, 3});
  conformer.sub("embed.out.0").layer({width, width * ((s.speech - 1) / 2)});
  conformer.constant("embed.pos_enc.pe", {1, 5000, width}, 0);
  for (std::int64_t i = 0; i < c.blocks; ++i) {
    const Builder block = conformer.sub("encoders").sub(number(i));
    for (const std::string name : {"linear_q", "linear_k", "linear_v", "linear_out"}) {
      block.sub("self_attn").sub(name).layer({width, width});
    }
    block.sub("self_attn.linear_pos").weight({width, width});
    for (const std::string name : {"pos_bias_u", "pos_bias_v"}) {
      block.sub("self_attn").noise(name, {c.heads, width / c.heads}, 0.1F);
    }
    block.sub("feed_forward.w_1").layer({c.inner, width});
    block.sub("feed_forward.w_2").layer({width, c.inner});
    block.sub("conv_module.pointwise_conv1").layer({2 * width, width, 1});
    block.sub("conv_module.depthwise_conv").layer({width, 1, 15});
    block.sub("conv_module.norm").norm(width);
    block.sub("conv_module.pointwise_conv2").layer({width, width, 1});
    for (const std::string name : {"norm_ff", "norm_mha", "norm_conv", "norm_final"})
      block.sub(name).norm(width);
  }
  conformer.sub("after_norm").norm(width);
}

void add_perceiver(const Builder& perceiver, std::int64_t context, const ConditionerShapes& c) {
  constexpr std::int64_t kHeadWidth = 64;
  const std::int64_t width = c.latent_width;
  const std::int64_t attention = c.perceiver_heads * kHeadWidth;
  const std::int64_t inner = width * 4 / 3;
  perceiver.noise("latents", {c.latents, width}, 1);
  perceiver.sub("proj_context").layer({width, context});
  for (const std::string i : {"0", "1"}) {
    const Builder layer = perceiver.sub("layers." + i);
    layer.sub("0.to_q").weight({attention, width});
    layer.sub("0.to_kv").weight({2 * attention, width});
    layer.sub("0.to_out").weight({width, attention});
    layer.sub("1.0").layer({2 * inner, width});
    layer.sub("1.2").layer({width, inner});
  }
  perceiver.constant("norm.gamma", {width}, 1);
}

void add_gpt_block(const Builder& block, std::int64_t width) {
  block.sub("ln_1").norm(width);
  block.sub("ln_2").norm(width);
  // GPT-2 keeps its weights the other way round: [in, out].
  const auto layer = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    block.noise(name + ".weight", {in, out}, unit_gain(in) / 2);
    block.noise(name + ".bias", {out}, 0.02F);
  };
  constexpr std::int64_t kParts = 3;
  constexpr std::int64_t kWiden = 4;
  layer("attn.c_attn", width, kParts * width);
  layer("attn.c_proj", width, width);
  layer("mlp.c_fc", width, kWiden * width);
  layer("mlp.c_proj", kWiden * width, width);
}

void add_flow_block(const Builder& block, const DemoShapes& s) {
  block.sub("attention.wqkv").weight({3 * s.flow, s.flow});
  block.sub("attention.wo").weight({s.flow, s.flow});
  block.sub("feed_forward.w1").weight({s.flow_inner, s.flow});
  block.sub("feed_forward.w3").weight({s.flow_inner, s.flow});
  block.sub("feed_forward.w2").weight({s.flow, s.flow_inner});
  for (const std::string norm : {"attention_norm", "ffn_norm"}) {
    block.sub(norm).constant("norm.weight", {s.flow}, 1);
    block.sub(norm).sub("project_layer").layer({2 * s.flow, s.flow});
  }
  block.sub("skip_in_linear").layer({s.flow, 2 * s.flow});
}

}  // namespace

DemoShapes published_shapes() {
  DemoShapes s;
  s.speech = 1024, s.speech_inner = 4096, s.speech_heads = 16, s.speech_layers = 24;
  s.codes = 8192, s.codec = 384, s.codec_inner = 2048, s.codec_layers = 12;
  s.speaker_growth = 32, s.speaker_bottleneck = 128, s.speaker_initial = 128, s.style = 192;
  s.speaker_layers[0] = 12, s.speaker_layers[1] = 24, s.speaker_layers[2] = 16;
  s.conditioner = 512, s.conditioner_inner = 2048, s.conditioner_blocks = 6, s.conditioner_heads = 8;
  s.emotion_inner = 1024, s.emotion_heads = 4, s.emotion_latent = 1024, s.emotion_blocks = 4;
  s.gpt = 1280, s.gpt_heads = 20, s.gpt_layers = 24, s.text_tokens = 12000;
  s.latent_1 = 256, s.latent_2 = 128;
  s.flow = 512, s.flow_inner = 1536, s.flow_heads = 8, s.flow_layers = 13, s.wavenet_layers = 8;
  s.vocoder = 1536;
  s.llm = 1024, s.llm_inner = 3072, s.llm_heads = 16, s.llm_kv_heads = 8, s.llm_head_dim = 128,
  s.llm_layers = 28;
  return s;
}

TensorSet demo_speech_encoder(const DemoShapes& s, std::uint64_t seed) {
  constexpr std::int64_t kFeatures = 160;
  TensorSet set(seed);
  const Builder root(set, "");
  root.noise("masked_spec_embed", {s.speech}, 1);
  root.sub("feature_projection.layer_norm").norm(kFeatures);
  root.sub("feature_projection.projection").layer({s.speech, kFeatures});
  for (std::int64_t i = 0; i < s.speech_layers; ++i)
    add_speech_layer(root.sub("encoder.layers").sub(number(i)), s);
  return set;
}

TensorSet demo_codec(const DemoShapes& s, std::uint64_t seed) {
  TensorSet set(seed);
  const Builder root(set, "");
  for (const std::string side : {"encoder", "decoder"}) {
    add_codec_backbone(root.sub(side + ".0"), s);
    root.sub(side + ".1").layer({s.speech, s.codec});
  }
  const Builder quantizer = root.sub("quantizer.quantizers.0");
  quantizer.sub("in_project").weight_norm({s.code_width, s.speech, 1});
  quantizer.sub("out_project").weight_norm({s.speech, s.code_width, 1});
  quantizer.sub("codebook").weight({s.codes, s.code_width});
  return set;
}

TensorSet demo_speaker_encoder(const DemoShapes& s, std::uint64_t seed) {
  constexpr std::int64_t kHead = 32;
  constexpr std::int64_t kHeadOut = 320;
  TensorSet set(seed);
  const Builder root(set, "");
  const Builder head = root.sub("head");
  head.sub("conv1").weight({kHead, 1, 3, 3});
  head.sub("bn1").batch_norm(kHead);
  for (const std::string layer : {"layer1", "layer2"}) {
    add_res_block(head.sub(layer + ".0"), true);
    add_res_block(head.sub(layer + ".1"), false);
  }
  head.sub("conv2").weight({kHead, kHead, 3, 3});
  head.sub("bn2").batch_norm(kHead);
  const Builder xvector = root.sub("xvector");
  std::int64_t channels = s.speaker_initial;
  xvector.sub("tdnn.linear").weight({channels, kHeadOut, 5});
  xvector.sub("tdnn.nonlinear.batchnorm").batch_norm(channels);
  for (std::int64_t block = 0; block < 3; ++block) {
    for (std::int64_t i = 0; i < s.speaker_layers[block]; ++i) {
      add_dense_layer(xvector.sub(fmt::format("block{}.tdnnd{}", block + 1, i + 1)), s, channels);
      channels += s.speaker_growth;
    }
    const Builder transit = xvector.sub(fmt::format("transit{}", block + 1));
    transit.sub("nonlinear.batchnorm").batch_norm(channels);
    transit.sub("linear").weight({channels / 2, channels, 1});
    channels /= 2;
  }
  xvector.sub("out_nonlinear.batchnorm").batch_norm(channels);
  xvector.sub("dense.linear").weight({s.style, 2 * channels, 1});
  xvector.sub("dense.nonlinear.batchnorm").batch_norm(s.style, /*affine=*/false);
  return set;
}

TensorSet demo_gpt(const DemoShapes& s, std::uint64_t seed) {
  constexpr std::int64_t kSpeakerLatents = 32;
  constexpr float kEmbedding = 0.5F;
  TensorSet set(seed);
  const Builder root(set, "");
  const ConditionerShapes speaker{
      s.conditioner_blocks, s.conditioner_heads, s.conditioner_inner, kSpeakerLatents, s.gpt, 8};
  const ConditionerShapes emotion{s.emotion_blocks, s.emotion_heads, s.emotion_inner, 1, s.emotion_latent, 4};
  add_conformer(root.sub("conditioning_encoder"), s, speaker);
  add_perceiver(root.sub("perceiver_encoder"), s.conditioner, speaker);
  add_conformer(root.sub("emo_conditioning_encoder"), s, emotion);
  add_perceiver(root.sub("emo_perceiver_encoder"), s.conditioner, emotion);
  root.sub("emovec_layer").layer({s.gpt, s.emotion_latent});
  root.sub("emo_layer").layer({s.gpt, s.gpt});
  const std::int64_t codes = s.codes + 2;  // start and stop
  root.noise("text_embedding.weight", {s.text_tokens + 1, s.gpt}, kEmbedding);
  root.noise("mel_embedding.weight", {codes, s.gpt}, kEmbedding);
  root.noise("text_pos_embedding.emb.weight", {s.text_positions, s.gpt}, kEmbedding);
  root.noise("mel_pos_embedding.emb.weight", {s.mel_positions, s.gpt}, kEmbedding);
  root.noise("speed_emb.weight", {2, s.gpt}, kEmbedding);
  for (std::int64_t i = 0; i < s.gpt_layers; ++i) add_gpt_block(root.sub("gpt.h").sub(number(i)), s.gpt);
  root.sub("gpt.ln_f").norm(s.gpt);
  root.sub("final_norm").norm(s.gpt);
  root.sub("text_head").layer({s.text_tokens + 1, s.gpt});
  root.noise("mel_head.weight", {codes, s.gpt}, unit_gain(s.gpt));
  // Now and then the stop code is among the likely ones, so that sentences end.
  constexpr float kStop = -0.5F;
  root.noise("mel_head.bias", {codes}, 0.02F).values.back() = kStop;
  return set;
}

TensorSet demo_regulator(const DemoShapes& s, std::uint64_t seed) {
  TensorSet set(seed);
  const Builder root(set, "");
  root.noise("mask_token", {1, s.flow}, 1);
  root.sub("embedding").weight({16, s.flow});
  root.sub("content_in_proj").layer({s.flow, s.speech});
  constexpr std::int64_t kBlocks = 4;
  constexpr std::int64_t kStep = 3;
  for (std::int64_t i = 0; i < kBlocks; ++i) {
    root.sub("model").sub(number(kStep * i)).layer({s.flow, s.flow, 3});
    root.sub("model").sub(number(kStep * i + 1)).norm(s.flow);
  }
  root.sub("model").sub(number(kStep * kBlocks)).layer({s.flow, s.flow, 1});
  return set;
}

TensorSet demo_latent_layer(const DemoShapes& s, std::uint64_t seed) {
  TensorSet set(seed);
  const Builder root(set, "");
  root.sub("0").layer({s.latent_1, s.gpt});
  root.sub("1").layer({s.latent_2, s.latent_1});
  root.sub("2").layer({s.speech, s.latent_2});
  return set;
}

TensorSet demo_flow(const DemoShapes& s, std::uint64_t seed) {
  constexpr std::int64_t kMels = 80;
  constexpr std::int64_t kTimes = 256;
  TensorSet set(seed);
  const Builder root(set, "estimator.");
  for (std::int64_t i = 0; i < s.flow_layers; ++i)
    add_flow_block(root.sub("transformer.layers").sub(number(i)), s);
  root.constant("transformer.norm.norm.weight", {s.flow}, 1);
  root.sub("transformer.norm.project_layer").layer({2 * s.flow, s.flow});
  root.sub("x_embedder").weight_norm({s.flow, kMels});
  root.sub("cond_embedder").weight({16, s.flow});
  root.sub("cond_projection").layer({s.flow, s.flow});
  for (const std::string name : {"t_embedder", "t_embedder2"}) {
    root.sub(name).constant("freqs", {kTimes / 2}, 0);
    root.sub(name).sub("mlp.0").layer({s.flow, kTimes});
    root.sub(name).sub("mlp.2").layer({s.flow, s.flow});
  }
  root.sub("conv1").layer({s.flow, s.flow});
  root.sub("conv2").layer({kMels, s.flow, 1});
  const Builder wavenet = root.sub("wavenet");
  wavenet.sub("cond_layer.conv.conv").weight_norm({2 * s.flow * s.wavenet_layers, s.flow, 1});
  for (std::int64_t i = 0; i < s.wavenet_layers; ++i) {
    const bool last = i + 1 == s.wavenet_layers;
    wavenet.sub("in_layers").sub(number(i)).sub("conv.conv").weight_norm({2 * s.flow, s.flow, 5});
    wavenet.sub("res_skip_layers")
        .sub(number(i))
        .sub("conv.conv")
        .weight_norm({last ? s.flow : 2 * s.flow, s.flow, 1});
  }
  root.sub("final_layer.linear").weight_norm({s.flow, s.flow});
  root.sub("final_layer.adaLN_modulation.1").layer({2 * s.flow, s.flow});
  root.sub("res_projection").layer({s.flow, s.flow});
  root.sub("content_mask_embedder").weight({1, s.flow});
  root.sub("skip_linear").layer({s.flow, s.flow + kMels});
  root.sub("cond_x_merge_linear").layer({s.flow, 2 * kMels + s.flow + s.style});
  return set;
}

TensorSet demo_vocoder(const DemoShapes& s, std::uint64_t seed) {
  constexpr std::int64_t kMels = 80;
  constexpr std::int64_t kRates[] = {4, 4, 2, 2, 2, 2};
  constexpr std::int64_t kKernels[] = {3, 7, 11};
  constexpr std::int64_t kDilations = 3;
  constexpr std::int64_t kTaps = 12;
  TensorSet set(seed);
  const Builder root(set, "");
  const auto activation = [&](const Builder& at, std::int64_t channels) {
    at.constant("act.alpha", {channels}, 0);
    at.constant("act.beta", {channels}, 0);
    at.constant("upsample.filter", {1, 1, kTaps}, 0);
    at.constant("downsample.lowpass.filter", {1, 1, kTaps}, 0);
  };
  std::int64_t channels = s.vocoder;
  root.sub("conv_pre").weight_norm({channels, kMels, 7});
  std::int64_t stage = 0;
  for (const std::int64_t rate : kRates) {
    root.sub("ups")
        .sub(number(stage))
        .sub("0")
        .weight_norm({channels, channels / 2, 2 * rate}, 0, /*bias=*/false);
    channels /= 2;
    root.sub("ups").sub(number(stage)).sub("0").noise("bias", {channels}, 0.02F);
    for (std::int64_t j = 0; j < 3; ++j) {
      const Builder block = root.sub("resblocks").sub(number(3 * stage + j));
      for (std::int64_t k = 0; k < kDilations; ++k) {
        block.sub("convs1").sub(number(k)).weight_norm({channels, channels, kKernels[j]});
        block.sub("convs2").sub(number(k)).weight_norm({channels, channels, kKernels[j]});
        activation(block.sub("activations").sub(number(2 * k)), channels);
        activation(block.sub("activations").sub(number(2 * k + 1)), channels);
      }
    }
    ++stage;
  }
  activation(root.sub("activation_post"), channels);
  root.sub("conv_post").weight_norm({1, channels, 7}, 0, /*bias=*/false);
  return set;
}

TensorSet demo_emotion_llm(const DemoShapes& s, std::uint64_t seed) {
  TensorSet set(seed);
  const Builder root(set, "model.");
  root.noise("embed_tokens.weight", {s.llm_tokens, s.llm}, 0.05F);
  for (std::int64_t i = 0; i < s.llm_layers; ++i) {
    const Builder layer = root.sub("layers").sub(number(i));
    layer.sub("self_attn.q_proj").weight({s.llm_heads * s.llm_head_dim, s.llm});
    layer.sub("self_attn.k_proj").weight({s.llm_kv_heads * s.llm_head_dim, s.llm});
    layer.sub("self_attn.v_proj").weight({s.llm_kv_heads * s.llm_head_dim, s.llm});
    layer.sub("self_attn.o_proj").weight({s.llm, s.llm_heads * s.llm_head_dim});
    layer.constant("self_attn.q_norm.weight", {s.llm_head_dim}, 1);
    layer.constant("self_attn.k_norm.weight", {s.llm_head_dim}, 1);
    layer.sub("mlp.gate_proj").weight({s.llm_inner, s.llm});
    layer.sub("mlp.up_proj").weight({s.llm_inner, s.llm});
    layer.sub("mlp.down_proj").weight({s.llm, s.llm_inner});
    layer.constant("input_layernorm.weight", {s.llm}, 1);
    layer.constant("post_attention_layernorm.weight", {s.llm}, 1);
  }
  root.constant("norm.weight", {s.llm}, 1);
  return set;
}

}  // namespace greenroom::models::index_tts
