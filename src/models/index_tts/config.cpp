#include "models/index_tts/config.h"

#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <initializer_list>
#include <numeric>

#include "base/error.h"
#include "base/json.h"
#include "models/config_text.h"

namespace greenroom::models::index_tts {
namespace {

using base::Error;
using base::ErrorCode;

// Reads keys like "gpt.condition_module.attention_heads". An absent or null one leaves the target alone.
class YamlReader {
 public:
  YamlReader(const YAML::Node& root, std::string file) : root_(root), file_(std::move(file)) {}

  template <typename T>
  void read(const std::string& key, T& target) const {
    const YAML::Node node = find(key);
    if (!node.IsDefined() || node.IsNull()) return;
    try {
      target = node.as<T>();
    } catch (const YAML::Exception&) {
      fail(fmt::format("{} is {}, which is not of the right type", key,
                       node.IsScalar() ? fmt::format("\"{}\"", node.Scalar()) : "a list or a map"));
    }
  }

  template <typename T>
  void read_in(const std::string& key, T& target, T low, T high) const {
    read(key, target);
    // Not written the other way round: a NaN is out of range too.
    if (target >= low && target <= high) return;
    fail(fmt::format("{} is {}; allowed are {} to {}", key, target, low, high));
  }

  // For a switch that upstream's network has and this one was not written for.
  template <typename T>
  void require(const std::string& key, const T& supported) const {
    T value = supported;
    read(key, value);
    if (value == supported) return;
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("{}: {} is {}; only {} is supported", file_, key, value, supported));
  }

  [[noreturn]] void fail(const std::string& text) const {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: {}", file_, text));
  }

 private:
  YAML::Node find(const std::string& key) const {
    YAML::Node node;
    node.reset(root_);
    std::size_t at = 0;
    while (at <= key.size()) {
      const std::size_t dot = std::min(key.find('.', at), key.size());
      if (!node.IsDefined() || node.IsNull()) return YAML::Node(YAML::NodeType::Undefined);
      if (!node.IsMap())
        fail(fmt::format("\"{}\" is not a map", at == 0 ? "the file" : key.substr(0, at - 1)));
      const YAML::Node& parent = node;
      node.reset(parent[key.substr(at, dot - at)]);
      at = dot + 1;
    }
    return node;
  }

  YAML::Node root_;
  std::string file_;
};

void read_gpt(const YamlReader& yaml, GptConfig& gpt) {
  yaml.read_in("gpt.heads", gpt.heads, 1, 1024);
  yaml.read_in("gpt.max_mel_tokens", gpt.max_mel_tokens, 1, 1 << 20);
  yaml.read_in("gpt.max_text_tokens", gpt.max_text_tokens, 1, 1 << 20);
  yaml.read_in("gpt.number_text_tokens", gpt.number_text_tokens, 1, 1 << 20);
  yaml.read_in("gpt.number_mel_codes", gpt.number_mel_codes, 1, 1 << 20);
  yaml.read_in("gpt.start_mel_token", gpt.start_mel_token, 0, gpt.number_mel_codes - 1);
  yaml.read_in("gpt.stop_mel_token", gpt.stop_mel_token, 0, gpt.number_mel_codes - 1);
  yaml.read_in("gpt.start_text_token", gpt.start_text_token, 0, gpt.number_text_tokens);
  yaml.read_in("gpt.stop_text_token", gpt.stop_text_token, 0, gpt.number_text_tokens);
  yaml.read_in("gpt.condition_module.attention_heads", gpt.condition.attention_heads, 1, 1024);
  yaml.read_in("gpt.emo_condition_module.attention_heads", gpt.emotion_condition.attention_heads, 1, 1024);
  yaml.require<bool>("gpt.use_mel_codes_as_input", true);
  yaml.require<bool>("gpt.train_solo_embeddings", false);
  yaml.require<std::string>("gpt.condition_type", "conformer_perceiver");
  yaml.require<std::string>("gpt.condition_module.input_layer", "conv2d2");
  yaml.require<std::string>("gpt.emo_condition_module.input_layer", "conv2d2");
}

void read_mel(const YamlReader& yaml, MelConfig& mel) {
  const std::string section = "s2mel.preprocess_params.";
  yaml.read_in(section + "sr", mel.sampling_rate, 8000, 192000);
  yaml.read_in(section + "spect_params.n_fft", mel.n_fft, 16, 65536);
  yaml.read_in(section + "spect_params.win_length", mel.win_length, 16, mel.n_fft);
  yaml.read_in(section + "spect_params.hop_length", mel.hop_length, 1, mel.n_fft);
  yaml.read_in(section + "spect_params.n_mels", mel.n_mels, 1, 1024);
  yaml.read_in(section + "spect_params.fmin", mel.fmin, 0.0, mel.sampling_rate / 2.0);
  // Upstream compares with the word "None" and takes 8000 Hz for anything else, whatever it says.
  std::string fmax = "None";
  yaml.read(section + "spect_params.fmax", fmax);
  constexpr double kOtherwiseHz = 8000;
  if (fmax != "None") mel.fmax = kOtherwiseHz;
}

void read_acoustic(const YamlReader& yaml, AcousticConfig& acoustic) {
  read_mel(yaml, acoustic.mel);
  yaml.read_in("s2mel.DiT.num_heads", acoustic.heads, 1, 1024);
  yaml.read_in("s2mel.wavenet.kernel_size", acoustic.wavenet_kernel, 1, 99);
  yaml.read_in("s2mel.wavenet.dilation_rate", acoustic.wavenet_dilation, 1, 16);
  yaml.require<std::string>("s2mel.dit_type", "DiT");
  yaml.require<bool>("s2mel.length_regulator.is_discrete", false);
  yaml.require<bool>("s2mel.length_regulator.vector_quantize", false);
  yaml.require<bool>("s2mel.length_regulator.f0_condition", false);
  yaml.require<bool>("s2mel.DiT.style_condition", true);
  yaml.require<std::string>("s2mel.DiT.final_layer_type", "wavenet");
  yaml.require<bool>("s2mel.DiT.f0_condition", false);
  yaml.require<bool>("s2mel.DiT.is_causal", false);
  yaml.require<bool>("s2mel.DiT.long_skip_connection", true);
  yaml.require<bool>("s2mel.DiT.time_as_token", false);
  yaml.require<bool>("s2mel.DiT.style_as_token", false);
  yaml.require<bool>("s2mel.DiT.uvit_skip_connection", true);
  yaml.require<bool>("s2mel.wavenet.style_condition", true);
  std::vector<int> ratios;
  yaml.read("s2mel.length_regulator.sampling_ratios", ratios);
  for (const int ratio : ratios) {
    if (ratio != 1)
      yaml.fail(fmt::format("s2mel.length_regulator.sampling_ratios has {}; only 1 is supported", ratio));
  }
}

void check_version(const YAML::Node& root, Config& config, const std::string& file) {
  const YAML::Node& node = root;
  if (node["version"].IsDefined() && node["version"].IsScalar()) config.version = node["version"].Scalar();
  const bool has_s2mel = node["s2mel"].IsDefined();
  if (has_s2mel && (config.version == "2" || config.version == "2.0")) return;
  throw Error(ErrorCode::kUnimplemented, fmt::format("{}: an IndexTTS {} model; only IndexTTS-2 is supported",
                                                     file, has_s2mel ? config.version : "1.x"));
}

// The fields of a JSON object, with the same rules.
class JsonReader {
 public:
  explicit JsonReader(const std::filesystem::path& path)
      : file_(path.string()), json_(base::parse_json(read_config_text(path), file_)) {
    if (!json_.is_object()) fail("not a JSON object");
  }

  template <typename T>
  void read(const char* key, T& target) const {
    const auto found = json_.find(key);
    if (found == json_.end() || found->is_null()) return;
    try {
      target = found->template get<T>();
    } catch (const base::Json::exception&) {
      fail(fmt::format("\"{}\" is {}, which is not of the right type", key, found->dump().substr(0, 60)));
    }
  }

  template <typename T>
  void read_in(const char* key, T& target, T low, T high) const {
    read(key, target);
    if (target >= low && target <= high) return;
    fail(fmt::format("\"{}\" is {}; allowed are {} to {}", key, target, low, high));
  }

  template <typename T>
  void require(const char* key, const T& supported) const {
    T value = supported;
    read(key, value);
    if (value == supported) return;
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("{}: \"{}\" is {}; only {} is supported", file_, key, value, supported));
  }

  [[noreturn]] void fail(const std::string& text) const {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: {}", file_, text));
  }

 private:
  std::string file_;
  base::Json json_;
};

void check_vocoder(const VocoderConfig& config, const JsonReader& json) {
  constexpr int kLargest = 64;
  constexpr std::size_t kMostStages = 16;
  const std::size_t stages = config.upsample_rates.size();
  if (stages == 0 || stages > kMostStages || config.upsample_kernel_sizes.size() != stages) {
    json.fail("\"upsample_rates\" and \"upsample_kernel_sizes\" must have the same length, 1 to 16");
  }
  int hop = 1;
  for (std::size_t i = 0; i < stages; ++i) {
    const int rate = config.upsample_rates[i];
    const int kernel = config.upsample_kernel_sizes[i];
    if (rate < 1 || rate > kLargest || kernel < rate || kernel > kLargest || (kernel - rate) % 2 != 0) {
      json.fail(fmt::format("upsampling by {} with a kernel of {} is not possible", rate, kernel));
    }
    if (hop > config.hop_size) break;
    hop *= rate;
  }
  if (hop != config.hop_size) {
    json.fail(fmt::format("the upsample_rates multiply to {}, not to the hop_size {}", hop, config.hop_size));
  }
  if (config.resblock_kernel_sizes.empty() ||
      config.resblock_kernel_sizes.size() != config.resblock_dilation_sizes.size()) {
    json.fail("\"resblock_kernel_sizes\" and \"resblock_dilation_sizes\" must have the same length");
  }
  for (const int kernel : config.resblock_kernel_sizes) {
    if (kernel < 1 || kernel > kLargest || kernel % 2 == 0)
      json.fail("a resblock kernel must be odd and small");
  }
  for (const auto& dilations : config.resblock_dilation_sizes) {
    for (const int dilation : dilations) {
      if (dilation < 1 || dilation > kLargest)
        json.fail(fmt::format("a dilation of {} is not possible", dilation));
    }
  }
}

}  // namespace

Config read_config(const std::filesystem::path& path) {
  const std::string file = path.string();
  const std::string text = read_config_text(path);
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: not valid YAML: {}", file, error.what()));
  }
  if (!root.IsMap()) throw Error(ErrorCode::kDataLoss, fmt::format("{}: not a YAML map", file));
  Config config;
  check_version(root, config, file);
  const YamlReader yaml(root, file);
  yaml.read("dataset.bpe_model", config.bpe_model);
  yaml.read("gpt_checkpoint", config.gpt_checkpoint);
  yaml.read("s2mel_checkpoint", config.s2mel_checkpoint);
  yaml.read("w2v_stat", config.w2v_stat);
  yaml.read("emo_matrix", config.emo_matrix);
  yaml.read("spk_matrix", config.spk_matrix);
  yaml.read("qwen_emo_path", config.qwen_emo_path);
  yaml.read("vocoder.name", config.vocoder_name);
  yaml.require<std::string>("vocoder.type", "bigvgan");
  yaml.read("emo_num", config.emo_num);
  constexpr std::size_t kEmotions = 8;
  constexpr int kMostRows = 10000;
  if (config.emo_num.size() != kEmotions)
    yaml.fail(fmt::format("emo_num has {} numbers; 8 are needed", config.emo_num.size()));
  for (const int rows : config.emo_num) {
    if (rows < 1 || rows > kMostRows)
      yaml.fail(fmt::format("emo_num has {}; allowed are 1 to {}", rows, kMostRows));
  }
  read_gpt(yaml, config.gpt);
  read_acoustic(yaml, config.acoustic);
  return config;
}

SpeechEncoderConfig read_speech_encoder_config(const std::filesystem::path& path) {
  const JsonReader json(path);
  SpeechEncoderConfig config;
  json.read_in("num_attention_heads", config.attention_heads, 1, 1024);
  json.read_in("left_max_position_embeddings", config.left_positions, 0, 65536);
  json.read_in("right_max_position_embeddings", config.right_positions, 0, 65536);
  json.read_in("layer_norm_eps", config.layer_norm_eps, 0.0, 1.0);
  json.require<std::string>("position_embeddings_type", "relative_key");
  json.require<std::string>("hidden_act", "swish");
  return config;
}

VocoderConfig read_vocoder_config(const std::filesystem::path& path) {
  const JsonReader json(path);
  VocoderConfig config;
  json.require<std::string>("resblock", "1");
  json.read("upsample_rates", config.upsample_rates);
  json.read("upsample_kernel_sizes", config.upsample_kernel_sizes);
  json.read("resblock_kernel_sizes", config.resblock_kernel_sizes);
  json.read("resblock_dilation_sizes", config.resblock_dilation_sizes);
  json.read_in("num_mels", config.num_mels, 1, 1024);
  json.read_in("sampling_rate", config.sampling_rate, 8000, 192000);
  json.read_in("hop_size", config.hop_size, 1, 65536);
  json.read("snake_logscale", config.snake_logscale);
  config.tanh_at_final = true;  // the network's own default; the published configuration says false
  json.read("use_tanh_at_final", config.tanh_at_final);
  std::string activation = "snakebeta";
  json.read("activation", activation);
  if (activation != "snakebeta" && activation != "snake") {
    json.fail(fmt::format("\"activation\" is \"{}\"; known are snakebeta and snake", activation));
  }
  config.snake_beta = activation == "snakebeta";
  check_vocoder(config, json);
  return config;
}

EmotionLlmConfig read_emotion_llm_config(const std::filesystem::path& path) {
  const JsonReader json(path);
  EmotionLlmConfig config;
  json.require<std::string>("model_type", "qwen3");
  json.read_in("num_attention_heads", config.attention_heads, 1, 1024);
  json.read_in("num_key_value_heads", config.key_value_heads, 1, config.attention_heads);
  json.read_in("head_dim", config.head_dim, 2, 4096);
  json.read_in("rms_norm_eps", config.rms_norm_eps, 0.0, 1.0);
  json.read_in("rope_theta", config.rope_theta, 1.0, 1e12);
  json.read_in("max_position_embeddings", config.max_position_embeddings, 1, 1 << 24);
  if (config.attention_heads % config.key_value_heads != 0) {
    json.fail("num_attention_heads is no multiple of num_key_value_heads");
  }
  return config;
}

}  // namespace greenroom::models::index_tts
