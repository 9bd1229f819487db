#include "models/ddsp_svc/config.h"

#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <cstdint>
#include <numeric>

#include "base/error.h"
#include "base/json.h"
#include "models/config_text.h"

namespace greenroom::models::ddsp_svc {
namespace {

using base::Error;
using base::ErrorCode;

// Reads dotted keys of a YAML file. A key that is absent or null leaves the target alone.
class YamlReader {
 public:
  YamlReader(const YAML::Node& root, std::string file) : root_(root), file_(std::move(file)) {}

  template <typename T>
  void read(const char* section, const char* key, T& target) const {
    const auto node = find(section, key);
    if (!node.IsDefined() || node.IsNull()) return;
    try {
      target = node.as<T>();
    } catch (const YAML::Exception&) {
      fail(section, key, node.IsScalar() ? fmt::format("\"{}\"", node.Scalar()) : "a list or a map");
    }
  }

  template <typename T>
  void read(const char* section, const char* key, std::optional<T>& target) const {
    const auto node = find(section, key);
    if (!node.IsDefined() || node.IsNull()) return;
    T value{};
    read(section, key, value);
    target = value;
  }

  template <typename T>
  void require_range(const char* section, const char* key, T value, T low, T high) const {
    if (value >= low && value <= high) return;
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: {}.{} is {}; allowed are {} to {}", file_, section, key, value, low, high));
  }

 private:
  YAML::Node find(const char* section, const char* key) const {
    const YAML::Node& root = root_;
    const auto part = root[section];
    if (!part.IsDefined() || part.IsNull()) return YAML::Node(YAML::NodeType::Undefined);
    if (!part.IsMap())
      throw Error(ErrorCode::kDataLoss, fmt::format("{}: \"{}\" is not a map", file_, section));
    return part[key];
  }

  [[noreturn]] void fail(const char* section, const char* key, const std::string& value) const {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: {}.{} is {}, which is not of the right type", file_, section, key, value));
  }

  YAML::Node root_;
  std::string file_;
};

void check_voice_config(const VoiceConfig& config, const YamlReader& yaml) {
  yaml.require_range("data", "sampling_rate", config.sampling_rate, 4000, 192000);
  yaml.require_range("data", "block_size", config.block_size, 16, 8192);
  yaml.require_range("data", "encoder_sample_rate", config.encoder_sample_rate, 16000, 16000);
  yaml.require_range("data", "encoder_hop_size", config.encoder_hop_size, 80, 640);
  yaml.require_range("data", "encoder_out_channels", config.encoder_out_channels, 1, 65536);
  yaml.require_range("model", "win_length", config.win_length, 32, 65536);
  yaml.require_range("model", "t_start", config.t_start, -1.0, 1.0);
  yaml.require_range("infer", "infer_step", config.infer_step, 1, 1000);
  if (config.volume_smooth_size) {
    yaml.require_range("data", "volume_smooth_size", *config.volume_smooth_size, 1.0, 1e7);
  }
}

template <typename T>
void read_json(const base::Json& json, const char* key, T& target, const std::string& file) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return;
  try {
    target = found->get<T>();
  } catch (const base::Json::exception&) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: \"{}\" is {}, which is not of the right type", file,
                                                  key, found->dump().substr(0, 60)));
  }
}

void check_vocoder_config(const VocoderConfig& config, const std::string& file) {
  const auto fail = [&](const std::string& text) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: {}", file, text));
  };
  if (config.resblock != "1" && config.resblock != "2") fail("\"resblock\" must be \"1\" or \"2\"");
  if (config.upsample_rates.size() < 2 || config.upsample_rates.size() > 16 ||
      config.upsample_rates.size() != config.upsample_kernel_sizes.size()) {
    fail("\"upsample_rates\" and \"upsample_kernel_sizes\" must be lists of the same length, 2 to 16");
  }
  std::int64_t product = 1;
  for (std::size_t i = 0; i < config.upsample_rates.size(); ++i) {
    const int rate = config.upsample_rates[i];
    const int kernel = config.upsample_kernel_sizes[i];
    if (rate < 1 || rate > 64 || kernel < rate || kernel > 1024 || (kernel - rate) % 2 != 0) {
      fail(fmt::format("upsampling by {} with a kernel of {} is not possible", rate, kernel));
    }
    product *= rate;
    if (product > 1 << 20) break;
  }
  if (product != config.hop_size) {
    fail(
        fmt::format("the upsampling rates multiply to {}, but \"hop_size\" is {}", product, config.hop_size));
  }
  if (config.resblock_kernel_sizes.empty() || config.resblock_kernel_sizes.size() > 16 ||
      config.resblock_kernel_sizes.size() != config.resblock_dilation_sizes.size()) {
    fail("\"resblock_kernel_sizes\" and \"resblock_dilation_sizes\" must be lists of the same length");
  }
  for (const auto& dilations : config.resblock_dilation_sizes) {
    if (dilations.empty() || dilations.size() > 16)
      fail("a list in \"resblock_dilation_sizes\" is empty or too long");
    for (const int dilation : dilations) {
      if (dilation < 1 || dilation > 1024) fail(fmt::format("a dilation is {}", dilation));
    }
  }
  if (config.num_mels < 1 || config.num_mels > 1024) fail(fmt::format("\"num_mels\" is {}", config.num_mels));
  if (config.n_fft < 16 || config.n_fft > 65536) fail(fmt::format("\"n_fft\" is {}", config.n_fft));
  if (config.win_size < config.hop_size || config.win_size > config.n_fft) {
    fail(fmt::format("\"win_size\" is {}; it must lie between the hop and \"n_fft\"", config.win_size));
  }
  if (config.sampling_rate < 4000 || config.sampling_rate > 192000) {
    fail(fmt::format("\"sampling_rate\" is {}", config.sampling_rate));
  }
  if (!(config.fmin >= 0 && config.fmin < config.fmax && config.fmax <= config.sampling_rate)) {
    fail(fmt::format("\"fmin\" is {} and \"fmax\" is {}", config.fmin, config.fmax));
  }
}

}  // namespace

VoiceConfig read_voice_config(const std::filesystem::path& path) {
  const std::string file = path.string();
  const std::string text =
      read_config_text(path, "a DDSP-SVC voice needs its config.yaml beside the model file");
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: not valid YAML: {}", file, error.what()));
  }
  if (!root.IsMap()) throw Error(ErrorCode::kDataLoss, fmt::format("{}: not a map of settings", file));
  const YamlReader yaml(root, file);
  VoiceConfig config;
  yaml.read("data", "sampling_rate", config.sampling_rate);
  yaml.read("data", "block_size", config.block_size);
  yaml.read("data", "volume_smooth_size", config.volume_smooth_size);
  yaml.read("data", "encoder", config.encoder);
  yaml.read("data", "encoder_sample_rate", config.encoder_sample_rate);
  yaml.read("data", "encoder_hop_size", config.encoder_hop_size);
  yaml.read("data", "encoder_out_channels", config.encoder_out_channels);
  yaml.read("data", "encoder_ckpt", config.encoder_ckpt);
  yaml.read("model", "type", config.model_type);
  yaml.read("model", "win_length", config.win_length);
  yaml.read("model", "n_spk", config.n_spk);
  yaml.read("model", "t_start", config.t_start);
  yaml.read("model", "glu_type", config.glu_type);
  yaml.read("vocoder", "type", config.vocoder_type);
  yaml.read("vocoder", "ckpt", config.vocoder_ckpt);
  yaml.read("infer", "infer_step", config.infer_step);
  yaml.read("infer", "method", config.infer_method);
  yaml.read("ddsp_svc", "pretrain_dir", config.pretrain_dir);
  check_voice_config(config, yaml);
  return config;
}

VocoderConfig read_vocoder_config(const std::filesystem::path& path) {
  const std::string file = path.string();
  const auto json =
      base::parse_json(read_config_text(path, "a vocoder needs its config.json beside it"), file);
  if (!json.is_object()) throw Error(ErrorCode::kDataLoss, fmt::format("{}: not a JSON object", file));
  VocoderConfig config;
  read_json(json, "resblock", config.resblock, file);
  read_json(json, "upsample_rates", config.upsample_rates, file);
  read_json(json, "upsample_kernel_sizes", config.upsample_kernel_sizes, file);
  read_json(json, "resblock_kernel_sizes", config.resblock_kernel_sizes, file);
  read_json(json, "resblock_dilation_sizes", config.resblock_dilation_sizes, file);
  read_json(json, "num_mels", config.num_mels, file);
  read_json(json, "sampling_rate", config.sampling_rate, file);
  read_json(json, "n_fft", config.n_fft, file);
  read_json(json, "win_size", config.win_size, file);
  read_json(json, "hop_size", config.hop_size, file);
  read_json(json, "fmin", config.fmin, file);
  read_json(json, "fmax", config.fmax, file);
  read_json(json, "mini_nsf", config.mini_nsf, file);
  read_json(json, "pc_aug", config.pc_aug, file);
  check_vocoder_config(config, file);
  return config;
}

}  // namespace greenroom::models::ddsp_svc
