#include "models/index_tts/demo.h"

#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/torch_writer.h"
#include "models/index_tts/demo_networks.h"
#include "models/index_tts/demo_tokenizers.h"

namespace greenroom::models::index_tts {
namespace {

namespace fs = std::filesystem;
using base::Json;
using checkpoint::DictToWrite;

constexpr const char* kConfig = R"(dataset:
  bpe_model: bpe.model
gpt:
  model_dim: {gpt}
  max_mel_tokens: {max_mel}
  max_text_tokens: {max_text}
  heads: {gpt_heads}
  use_mel_codes_as_input: true
  mel_length_compression: 1024
  layers: {gpt_layers}
  number_text_tokens: {text_tokens}
  number_mel_codes: {codes}
  start_mel_token: {start}
  stop_mel_token: {stop}
  start_text_token: 0
  stop_text_token: 1
  train_solo_embeddings: false
  condition_type: conformer_perceiver
  condition_module:
    output_size: {conditioner}
    linear_units: {conditioner_inner}
    attention_heads: {conditioner_heads}
    num_blocks: {conditioner_blocks}
    input_layer: conv2d2
    perceiver_mult: 2
  emo_condition_module:
    output_size: {conditioner}
    linear_units: {emotion_inner}
    attention_heads: {emotion_heads}
    num_blocks: {emotion_blocks}
    input_layer: conv2d2
    perceiver_mult: 2
semantic_codec:
  codebook_size: {codebook}
  hidden_size: {speech}
  codebook_dim: {code_width}
  vocos_dim: {codec}
  vocos_intermediate_dim: {codec_inner}
  vocos_num_layers: {codec_layers}
s2mel:
  preprocess_params:
    sr: 22050
    spect_params: {{n_fft: 1024, win_length: 1024, hop_length: 256, n_mels: 80, fmin: 0, fmax: None}}
  dit_type: DiT
  style_encoder:
    dim: {style}
  length_regulator:
    channels: {flow}
    is_discrete: false
    in_channels: {speech}
    sampling_ratios: [1, 1, 1, 1]
    vector_quantize: false
    f0_condition: false
  DiT:
    hidden_dim: {flow}
    num_heads: {flow_heads}
    depth: {flow_layers}
    in_channels: 80
    style_condition: true
    final_layer_type: wavenet
    content_dim: {flow}
    f0_condition: false
    is_causal: false
    long_skip_connection: true
    time_as_token: false
    style_as_token: false
    uvit_skip_connection: true
  wavenet:
    hidden_dim: {flow}
    num_layers: {wavenet_layers}
    kernel_size: 5
    dilation_rate: 1
    style_condition: true
gpt_checkpoint: gpt.pth
w2v_stat: wav2vec2bert_stats.pt
s2mel_checkpoint: s2mel.pth
emo_matrix: feat2.pt
spk_matrix: feat1.pt
emo_num: [3, 17, 2, 8, 4, 5, 10, 24]
qwen_emo_path: qwen0.6bemo4-merge/
vocoder:
  type: bigvgan
  name: nvidia/bigvgan_v2_22khz_80band_256x
version: 2.0
)";

std::string config_text(const DemoShapes& s) {
  return fmt::format(
      kConfig, fmt::arg("gpt", s.gpt), fmt::arg("max_mel", s.mel_positions - 3),
      fmt::arg("max_text", s.text_positions - 2), fmt::arg("gpt_heads", s.gpt_heads),
      fmt::arg("gpt_layers", s.gpt_layers), fmt::arg("text_tokens", s.text_tokens),
      fmt::arg("codes", s.codes + 2), fmt::arg("start", s.codes), fmt::arg("stop", s.codes + 1),
      fmt::arg("conditioner", s.conditioner), fmt::arg("conditioner_inner", s.conditioner_inner),
      fmt::arg("conditioner_heads", s.conditioner_heads),
      fmt::arg("conditioner_blocks", s.conditioner_blocks), fmt::arg("emotion_inner", s.emotion_inner),
      fmt::arg("emotion_heads", s.emotion_heads), fmt::arg("emotion_blocks", s.emotion_blocks),
      fmt::arg("codebook", s.codes), fmt::arg("speech", s.speech), fmt::arg("code_width", s.code_width),
      fmt::arg("codec", s.codec), fmt::arg("codec_inner", s.codec_inner),
      fmt::arg("codec_layers", s.codec_layers), fmt::arg("style", s.style), fmt::arg("flow", s.flow),
      fmt::arg("flow_heads", s.flow_heads), fmt::arg("flow_layers", s.flow_layers),
      fmt::arg("wavenet_layers", s.wavenet_layers));
}

Json speech_config(const DemoShapes& s) {
  return {{"model_type", "wav2vec2-bert"},
          {"hidden_size", s.speech},
          {"num_hidden_layers", s.speech_layers},
          {"num_attention_heads", s.speech_heads},
          {"intermediate_size", s.speech_inner},
          {"feature_projection_input_dim", 160},
          {"hidden_act", "swish"},
          {"layer_norm_eps", 1e-5},
          {"position_embeddings_type", "relative_key"},
          {"left_max_position_embeddings", 64},
          {"right_max_position_embeddings", 8},
          {"conv_depthwise_kernel_size", 31}};
}

Json vocoder_config(const DemoShapes& s) {
  const std::vector<int> dilations{1, 3, 5};
  return {{"resblock", "1"},
          {"upsample_rates", {4, 4, 2, 2, 2, 2}},
          {"upsample_kernel_sizes", {8, 8, 4, 4, 4, 4}},
          {"upsample_initial_channel", s.vocoder},
          {"resblock_kernel_sizes", {3, 7, 11}},
          {"resblock_dilation_sizes", {dilations, dilations, dilations}},
          {"use_tanh_at_final", false},
          {"use_bias_at_final", false},
          {"activation", "snakebeta"},
          {"snake_logscale", true},
          {"num_mels", 80},
          {"n_fft", 1024},
          {"hop_size", 256},
          {"win_size", 1024},
          {"sampling_rate", 22050},
          {"fmin", 0},
          {"fmax", nullptr}};
}

Json llm_config(const DemoShapes& s) {
  return {{"architectures", {"Qwen3ForCausalLM"}},
          {"model_type", "qwen3"},
          {"vocab_size", s.llm_tokens},
          {"hidden_size", s.llm},
          {"intermediate_size", s.llm_inner},
          {"num_hidden_layers", s.llm_layers},
          {"num_attention_heads", s.llm_heads},
          {"num_key_value_heads", s.llm_kv_heads},
          {"head_dim", s.llm_head_dim},
          {"rms_norm_eps", 1e-6},
          {"rope_theta", 1e6},
          {"max_position_embeddings", 4096},
          {"tie_word_embeddings", true},
          {"eos_token_id", kDemoImEnd}};
}

class Writer {
 public:
  Writer(fs::path folder, const DemoOptions& options) : folder_(std::move(folder)), options_(options) {}

  void text(const std::string& name, const std::string& bytes) const {
    const fs::path path = place(name);
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.flush();
    if (!file) {
      throw base::Error(base::ErrorCode::kUnavailable, fmt::format("{}: cannot be written", path.string()));
    }
    tell(path);
  }

  void json(const std::string& name, const Json& json) const { text(name, json.dump(2) + "\n"); }

  void torch(const std::string& name, const DictToWrite& root) const {
    const fs::path path = place(name);
    checkpoint::write_torch_archive(path, root);
    tell(path);
  }

  void safetensors(const std::string& name, TensorSet set) const {
    const fs::path path = place(name);
    const fs::path temporary = path.string() + ".pt";
    checkpoint::write_torch_archive(temporary, *set.dict());
    checkpoint::write_safetensors(path, checkpoint::Checkpoint::open(temporary));
    fs::remove(temporary);
    tell(path);
  }

 private:
  fs::path place(const std::string& name) const {
    fs::path path = folder_ / name;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (error) {
      throw base::Error(base::ErrorCode::kUnavailable,
                        fmt::format("{}: {}", path.parent_path().string(), error.message()));
    }
    return path;
  }
  void tell(const fs::path& path) const {
    if (options_.wrote) options_.wrote(path);
  }

  fs::path folder_;
  const DemoOptions& options_;
};

void write_s2mel(const Writer& writer, const DemoShapes& shapes, std::uint64_t seed) {
  auto flow = demo_flow(shapes, seed);
  auto regulator = demo_regulator(shapes, seed + 1);
  auto latent_layer = demo_latent_layer(shapes, seed + 2);
  auto net = std::make_shared<DictToWrite>();
  net->items = {
      {"cfm", flow.dict()}, {"length_regulator", regulator.dict()}, {"gpt_layer", latent_layer.dict()}};
  DictToWrite file;
  file.items = {{"net", net}, {"epoch", std::int64_t{0}}, {"iters", std::int64_t{0}}};
  writer.torch("s2mel.pth", file);
}

// Matrices of a seeded kind, wrapped as torch.save would a dict.
void write_matrix(const Writer& writer, const std::string& name, const std::vector<std::string>& entries,
                  const std::vector<std::int64_t>& shape, float amplitude, std::uint64_t seed) {
  TensorSet set(seed);
  for (const auto& entry : entries) {
    if (entry == "var") {
      set.constant(entry, shape, 1);
    } else {
      set.noise(entry, shape, amplitude);
    }
  }
  writer.torch(name, *set.dict());
}

}  // namespace

void write_demo_model(const fs::path& folder, const DemoOptions& options) {
  const DemoShapes shapes = options.real_dimensions ? published_shapes() : DemoShapes{};
  const Writer writer(folder, options);
  const std::uint64_t seed = options.seed;
  writer.text("config.yaml", config_text(shapes));
  writer.text("bpe.model", demo_bpe_model());
  writer.torch("gpt.pth", *demo_gpt(shapes, seed).dict());
  write_s2mel(writer, shapes, seed + 1);
  write_matrix(writer, "wav2vec2bert_stats.pt", {"mean", "var"}, {shapes.speech}, 0.1F, seed + 4);
  write_matrix(writer, "feat1.pt", {"spk_matrix"}, {shapes.emotion_rows, shapes.style}, 1, seed + 5);
  write_matrix(writer, "feat2.pt", {"emo_matrix"}, {shapes.emotion_rows, shapes.gpt}, 1, seed + 6);
  writer.json("hf_cache/w2v-bert-2.0/config.json", speech_config(shapes));
  writer.safetensors("hf_cache/w2v-bert-2.0/model.safetensors", demo_speech_encoder(shapes, seed + 7));
  writer.safetensors("hf_cache/semantic_codec_model.safetensors", demo_codec(shapes, seed + 8));
  writer.torch("hf_cache/campplus_cn_common.bin", *demo_speaker_encoder(shapes, seed + 9).dict());
  writer.json("hf_cache/bigvgan/config.json", vocoder_config(shapes));
  auto vocoder = demo_vocoder(shapes, seed + 10);
  DictToWrite generator;
  generator.items = {{"generator", vocoder.dict()}};
  writer.torch("hf_cache/bigvgan/bigvgan_generator.pt", generator);
  writer.json("qwen0.6bemo4-merge/config.json", llm_config(shapes));
  writer.text("qwen0.6bemo4-merge/tokenizer.json", demo_byte_bpe());
  writer.safetensors("qwen0.6bemo4-merge/model.safetensors", demo_emotion_llm(shapes, seed + 11));
}

}  // namespace greenroom::models::index_tts
