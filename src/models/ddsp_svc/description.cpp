#include "models/ddsp_svc/description.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <system_error>

#include "base/error.h"

namespace greenroom::models::ddsp_svc {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;
using checkpoint::Checkpoint;

constexpr const char* kPitchFile = "pretrain/rmvpe/model.pt";
constexpr const char* kFirstVelocityLayer = "model.reflow_model.velocity_fn.residual_layers.0.";

// Looks for the files that a config names.
class Resolver {
 public:
  Resolver(fs::path model_folder, std::vector<fs::path> pretrain_folders)
      : model_folder_(std::move(model_folder)), pretrain_folders_(std::move(pretrain_folders)) {}

  ModelFile find(const std::string& named, const char* what, const char* where_to_get) const {
    ModelFile file{fmt::format("{} \"{}\"", what, named), {}, {}, where_to_get};
    for (const auto& candidate : candidates(named)) {
      std::error_code ignored;
      if (fs::is_regular_file(candidate, ignored)) {
        file.found = fs::weakly_canonical(candidate, ignored);
        file.tried.clear();
        return file;
      }
      file.tried.push_back(candidate);
    }
    return file;
  }

 private:
  std::vector<fs::path> candidates(const std::string& named) const {
    const fs::path path(named);
    std::vector<fs::path> found{path};
    const auto add = [&](const fs::path& candidate) {
      if (std::find(found.begin(), found.end(), candidate) == found.end()) found.push_back(candidate);
    };
    if (path.is_relative()) {
      // The config's paths are relative to the folder the upstream program runs in, usually two or three
      // above.
      fs::path folder = model_folder_;
      for (int level = 0; level < 4; ++level) {
        add(folder / path);
        if (!folder.has_parent_path() || folder.parent_path() == folder) break;
        folder = folder.parent_path();
      }
    }
    for (const auto& folder : pretrain_folders_) {
      if (path.is_relative()) add(folder / path);
      fs::path below;  // without a leading "pretrain"
      for (const auto& part : path.relative_path()) {
        if (!(below.empty() && part == "pretrain")) below /= part;
      }
      add(folder / below);
      add(folder / path.filename());
    }
    return found;
  }

  fs::path model_folder_;
  std::vector<fs::path> pretrain_folders_;
};

std::optional<std::int64_t> training_step_of(const fs::path& file) {
  const std::string name = file.filename().string();
  constexpr std::string_view kPrefix = "model_";
  if (!name.starts_with(kPrefix) || file.extension() != ".pt") return std::nullopt;
  std::int64_t step = 0;
  const char* begin = name.data() + kPrefix.size();
  const char* end = name.data() + name.size() - 3;
  const auto [parsed, error] = std::from_chars(begin, end, step);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return step;
}

fs::path find_model_file(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error))
    throw Error(ErrorCode::kNotFound, fmt::format("{}: no such file or folder", path.string()));
  if (!fs::is_directory(path, error)) return path;
  if (fs::is_regular_file(path / "model_best.pt", error)) return path / "model_best.pt";
  fs::path best;
  std::int64_t best_step = -1;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const auto step = training_step_of(entry.path());
    if (step && *step > best_step) {
      best_step = *step;
      best = entry.path();
    }
  }
  if (best.empty()) {
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("{}: no DDSP-SVC model in this folder (looked for model_best.pt and model_<number>.pt)",
                    path.string()));
  }
  return best;
}

bool has(const Checkpoint& file, std::string_view suffix) {
  return file.find(std::string(kFirstVelocityLayer) + std::string(suffix)) != nullptr;
}

std::string guess_kind(const Checkpoint& file) {
  const auto any = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(),
                       [&](const char* name) { return file.find(name) != nullptr; });
  };
  if (any({"generator.conv_pre.bias", "conv_pre.bias", "state_dict.generator.conv_pre.bias"})) {
    return "it looks like a vocoder (NSF-HiFiGAN)";
  }
  if (any({"model.cnn.weight", "cnn.weight"})) return "it looks like the RMVPE pitch network";
  if (any({"model.post_extract_proj.weight", "feature_projection.projection.weight"})) {
    return "it looks like a ContentVec/HuBERT encoder";
  }
  if (any({"model.unit2ctrl.dense_out.weight_v"}))
    return "it looks like a DDSP-only voice of versions 1 to 5";
  const auto& tensors = file.tensors();
  const auto diffusion = std::any_of(tensors.begin(), tensors.end(), [](const auto& entry) {
    return entry.first.find("denoise_fn") != std::string::npos || entry.first.starts_with("model.diff_model");
  });
  if (diffusion) return "it looks like a diffusion voice of versions 3 to 5";
  if (tensors.empty()) return "it holds no tensors";
  return fmt::format("its first tensor is \"{}\"", tensors.begin()->first);
}

// Batch and weight normalisation are folded into the weights they belong to; whole-number tensors are
// counters and constants.
checkpoint::Selection kept(std::function<bool(std::string_view)> keep) {
  return [keep = std::move(keep)](std::string_view name, const checkpoint::TensorView& view) {
    const bool weight_norm_gain =
        name.ends_with("weight_g") || name.ends_with("parametrizations.weight.original0");
    return checkpoint::is_floating(view.dtype) && !weight_norm_gain && keep(name);
  };
}

bool starts_with_any(std::string_view name, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// Size of dimension `axis` of the first tensor whose name ends so; `otherwise` when there is none.
std::int64_t size_of(const Checkpoint& file, std::initializer_list<std::string_view> endings,
                     std::size_t axis, std::int64_t otherwise) {
  for (const auto& [name, view] : file.tensors()) {
    for (const auto ending : endings) {
      if (name.ends_with(ending) && axis < view.shape.size()) return view.shape[axis];
    }
  }
  return otherwise;
}

Widths read_widths(const Checkpoint& encoder, const Checkpoint& pitch, const Checkpoint& voice,
                   const Checkpoint& vocoder) {
  const Widths usual;
  Widths widths;
  const auto feed_forward = {std::string_view("layers.0.fc1.weight"),
                             std::string_view("intermediate_dense.weight")};
  widths.encoder_conv =
      size_of(encoder, {"conv_layers.0.0.weight", "conv_layers.0.conv.weight"}, 0, usual.encoder_conv);
  widths.encoder_inner = size_of(encoder, feed_forward, 0, usual.encoder_inner);
  widths.encoder = size_of(encoder, feed_forward, 1, usual.encoder);
  widths.pitch = size_of(pitch, {"unet.encoder.layers.0.conv.0.conv.0.weight"}, 0, usual.pitch);
  widths.control = size_of(voice, {"unit2ctrl.volume_embed.weight"}, 0, usual.control);
  widths.flow = size_of(voice, {"velocity_fn.input_projection.weight"}, 0, usual.flow);
  widths.vocoder = size_of(vocoder, {"conv_pre.bias"}, 0, usual.vocoder);
  return widths;
}

}  // namespace

std::string_view generation_name(Generation generation) {
  switch (generation) {
    case Generation::k60:
      return "6.0";
    case Generation::k61:
      return "6.1";
    case Generation::k62:
      return "6.2";
    case Generation::k63:
      return "6.3";
    case Generation::k63Glu:
      return "6.3-glu";
  }
  return "unknown";
}

Generation detect_generation(const Checkpoint& voice, const VoiceConfig& config) {
  if (has(voice, "diffusion_step_projection.weight")) return Generation::k60;
  if (has(voice, "convmodule.net.2.weight"))
    return config.volume_smooth_size ? Generation::k62 : Generation::k61;
  if (has(voice, "net.1.weight") &&
      voice.find("model.ddsp_model.unit2ctrl.residual_layers.0.net.1.weight") != nullptr) {
    return Generation::k63Glu;
  }
  const auto* first = voice.find(std::string(kFirstVelocityLayer) + "net.4.weight");
  if (first != nullptr && voice.find("model.ddsp_model.unit2ctrl.norm.weight") != nullptr)
    return Generation::k63;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{}: not a DDSP-SVC 6.x voice (model.type in its config.yaml is \"{}\"): {}",
                          voice.path().string(), config.model_type, guess_kind(voice)));
}

checkpoint::Selection encoder_weights(const Checkpoint&, std::string_view encoder_name) {
  const bool nine_layers = encoder_name.find("768l12") == std::string_view::npos;
  const bool projects = encoder_name == "contentvec" || encoder_name == "hubertbase";
  return kept([=](std::string_view name) {
    const auto contains = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
    if (contains("final_proj.")) return projects;
    if (const auto at = name.find("encoder.layers."); at != std::string_view::npos) {
      const int layer = std::atoi(std::string(name.substr(at + 15, 3)).c_str());
      return layer < (nine_layers ? 9 : 12);
    }
    for (const auto part : {"feature_extractor.", "post_extract_proj.", "feature_projection.",
                            "encoder.pos_conv", "encoder.layer_norm."}) {
      if (contains(part)) return true;
    }
    return starts_with_any(name, {"layer_norm.", "model.layer_norm.", "state_dict.layer_norm."});
  });
}

checkpoint::Selection pitch_weights(const Checkpoint& file) {
  return kept([file](std::string_view name) {
    for (const std::string_view unused : {"unet.tf.", "unet.encoder.bn.", "mel_extractor."}) {
      if (name.find(unused) != std::string_view::npos) return false;
    }
    if (name.ends_with("running_mean") || name.ends_with("running_var")) return false;
    const auto dot = name.rfind('.');
    const bool is_weight = dot != std::string_view::npos && name.substr(dot) == ".weight";
    return !(is_weight && file.find(std::string(name.substr(0, dot)) + ".running_var") != nullptr);
  });
}

checkpoint::Selection voice_weights(const Checkpoint& file) {
  const bool first_generation = has(file, "diffusion_step_projection.weight");
  return kept([file, first_generation](std::string_view name) {
    if (!starts_with_any(name, {"model.ddsp_model.unit2ctrl.", "model.reflow_model.velocity_fn."}))
      return false;
    if (!first_generation && (name.find(".f0_embed.") != std::string_view::npos ||
                              name.find(".phase_embed.") != std::string_view::npos)) {
      return false;
    }
    // A per-layer norm is used by attention only.
    const auto layer_norm = name.find(".norm.");
    const auto layer = name.find("layers.");
    if (layer_norm == std::string_view::npos || layer == std::string_view::npos || layer > layer_norm)
      return true;
    const std::string attention = std::string(name.substr(0, layer_norm)) + ".attn.self_attn.in_proj_weight";
    return file.find(attention) != nullptr;
  });
}

checkpoint::Selection vocoder_weights(const Checkpoint& file) {
  const bool nested = file.find("generator.conv_pre.bias") != nullptr;
  const bool lightning = file.find("state_dict.generator.conv_pre.bias") != nullptr;
  const std::string prefix = nested ? "generator." : lightning ? "state_dict.generator." : "";
  return kept([prefix](std::string_view name) { return name.starts_with(prefix); });
}

checkpoint::Selection component_weights(Component component, const Checkpoint& file,
                                        const VoiceConfig& config) {
  switch (component) {
    case kEncoder:
      return encoder_weights(file, config.encoder);
    case kPitch:
      return pitch_weights(file);
    case kVoice:
      return voice_weights(file);
    case kVocoder:
      return vocoder_weights(file);
  }
  throw Error(ErrorCode::kInternal, "no such component");
}

namespace {

// Positions in what locate_files() returns.
enum FileIndex : std::size_t { kEncoderFile = 0, kPitchNetFile, kVocoderFile };

std::vector<ModelFile> locate(const fs::path& folder, const VoiceConfig& config,
                              const fs::path& pretrain_dir) {
  std::vector<fs::path> pretrain_folders;
  if (!pretrain_dir.empty()) pretrain_folders.push_back(pretrain_dir);
  if (config.pretrain_dir) {
    const fs::path named(*config.pretrain_dir);
    pretrain_folders.push_back(named.is_relative() ? folder / named : named);
  }
  const Resolver resolver(folder, pretrain_folders);
  return {resolver.find(config.encoder_ckpt, "the content encoder that data.encoder_ckpt names,",
                        "the ContentVec release (checkpoint_best_legacy_500.pt)"),
          resolver.find(kPitchFile, "the pitch network", "the RMVPE release (rmvpe.zip: model.pt)"),
          resolver.find(config.vocoder_ckpt, "the vocoder that vocoder.ckpt names,",
                        "the openvpi vocoders release (NSF-HiFiGAN 44.1 kHz, hop 512, 128 mels)")};
}

void require_all(const std::vector<ModelFile>& files) {
  std::string missing;
  for (const auto& file : files) {
    if (!file.is_missing()) continue;
    missing += fmt::format("{}{} was not found; looked for it at", missing.empty() ? "" : "\n", file.what);
    for (const auto& path : file.tried) missing += fmt::format("\n  {}", path.string());
    missing += fmt::format("\nGet it from {}, or name the folder that holds it with --pretrain-dir.",
                           file.where_to_get);
  }
  if (!missing.empty()) throw Error(ErrorCode::kNotFound, missing);
}

}  // namespace

std::vector<ModelFile> locate_files(const fs::path& model_path, const fs::path& pretrain_dir) {
  std::error_code ignored;
  const fs::path folder = fs::absolute(find_model_file(model_path), ignored).parent_path();
  return locate(folder, read_voice_config(folder / "config.yaml"), pretrain_dir);
}

Description describe(const fs::path& model_path, const fs::path& pretrain_dir) {
  Description description;
  description.model_file = find_model_file(model_path);
  description.pretrain_dir = pretrain_dir;
  std::error_code ignored;
  const fs::path folder = fs::absolute(description.model_file, ignored).parent_path();
  const auto voice = Checkpoint::open(description.model_file, checkpoint::OpenMode::kHeaders);
  if (!fs::exists(folder / "config.yaml", ignored)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: no config.yaml beside the model, and without it no DDSP-SVC voice "
                            "can be read ({})",
                            description.model_file.string(), guess_kind(voice)));
  }
  description.config = read_voice_config(folder / "config.yaml");
  auto& config = description.config;
  description.generation = detect_generation(voice, config);
  if (const auto step = voice.scalars().find("global_step"); step != voice.scalars().end()) {
    if (const auto* value = std::get_if<std::int64_t>(&step->second)) description.training_steps = *value;
  }

  const auto located = locate(folder, config, pretrain_dir);
  require_all(located);
  const auto& encoder_file = located[kEncoderFile].found;
  const auto& pitch_file = located[kPitchNetFile].found;
  const auto& vocoder_file = located[kVocoderFile].found;
  description.vocoder_config = read_vocoder_config(vocoder_file.parent_path() / "config.json");
  if (description.vocoder_config.sampling_rate != config.sampling_rate ||
      description.vocoder_config.hop_size != config.block_size) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "{}: the vocoder works at {} Hz with a hop of {}, the voice at {} Hz with {}; name a vocoder "
            "that fits in vocoder.ckpt",
            vocoder_file.string(), description.vocoder_config.sampling_rate,
            description.vocoder_config.hop_size, config.sampling_rate, config.block_size));
  }
  const auto encoder = Checkpoint::open(encoder_file, checkpoint::OpenMode::kHeaders);
  const auto pitch = Checkpoint::open(pitch_file, checkpoint::OpenMode::kHeaders);
  const auto vocoder = Checkpoint::open(vocoder_file, checkpoint::OpenMode::kHeaders);
  description.widths = read_widths(encoder, pitch, voice, vocoder);
  const std::string vocoder_variant = config.vocoder_type == "nsf-hifigan-log10" ? "f32,log10" : "f32";
  const Checkpoint* files[] = {&encoder, &pitch, &voice, &vocoder};
  for (const auto component : {kEncoder, kPitch, kVoice, kVocoder}) {
    const Checkpoint& file = *files[component];
    description.weights.push_back(checkpoint::summarize(file, component_weights(component, file, config)));
  }
  const auto bytes = [&](Component component) {
    return description.weights[component].bytes_as(checkpoint::DType::kFloat32);
  };
  description.components = {
      {"content_encoder", encoder_file, fmt::format("f32,{}", config.encoder), bytes(kEncoder)},
      {"rmvpe", pitch_file, "f32", bytes(kPitch)},
      {"ddsp_svc.voice", description.model_file,
       fmt::format("f32,{}", generation_name(description.generation)), bytes(kVoice)},
      {"nsf_hifigan", vocoder_file, vocoder_variant, bytes(kVocoder)},
  };
  description.stages = {{"pitch", {kPitch}}, {"convert", {kEncoder, kVoice, kVocoder}}};
  return description;
}

}  // namespace greenroom::models::ddsp_svc
