#include "models/index_tts/description.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <set>
#include <utility>

#include "base/error.h"

namespace greenroom::models::index_tts {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;
using checkpoint::Checkpoint;
using checkpoint::DType;

// hidden_states[17] of w2v-bert is what the model was trained on: 17 of 24 layers are needed.
constexpr int kSpeechLayers = 17;

// Positions in what locate_files() returns.
enum FileIndex : std::size_t {
  kGptFile = 0,
  kS2melFile,
  kBpeFile,
  kStatisticsFile,
  kSpeakerMatrixFile,
  kEmotionMatrixFile,
  kSpeechEncoderFile,
  kCodecFile,
  kSpeakerEncoderFile,
  kVocoderFile,
  kLlmFile,
};

FileIndex file_of(Component component) {
  switch (component) {
    case kSpeechEncoder:
      return kSpeechEncoderFile;
    case kSemanticEncoder:
    case kCodebook:
      return kCodecFile;
    case kSpeakerEncoder:
      return kSpeakerEncoderFile;
    case kSpeakerConditioner:
    case kEmotionConditioner:
    case kGpt:
      return kGptFile;
    case kRegulator:
    case kFlow:
      return kS2melFile;
    case kVocoder:
      return kVocoderFile;
    case kEmotionLlm:
      return kLlmFile;
  }
  throw Error(ErrorCode::kInternal, "no such component");
}

const char* kind_of(Component component) {
  constexpr const char* kKinds[] = {"w2v_bert",
                                    "maskgct.encoder",
                                    "maskgct.codebook",
                                    "campplus",
                                    "index_tts.speaker_conditioner",
                                    "index_tts.emotion_conditioner",
                                    "index_tts.gpt",
                                    "index_tts.regulator",
                                    "index_tts.flow",
                                    "bigvgan",
                                    "index_tts.emotion_llm"};
  return kKinds[component];
}

bool starts_with_any(std::string_view name, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

bool is_weight_norm_gain(std::string_view name) {
  return name.ends_with("weight_g") || name.ends_with("parametrizations.weight.original0");
}

// Of the names below `root`, those that `keep` wants.
checkpoint::Selection below(std::string root, std::function<bool(std::string_view)> keep) {
  return [root = std::move(root), keep = std::move(keep)](std::string_view name,
                                                          const checkpoint::TensorView& view) {
    if (!checkpoint::is_floating(view.dtype) || is_weight_norm_gain(name) || !name.starts_with(root))
      return false;
    return keep(name.substr(root.size()));
  };
}

bool is_needed_speech_layer(std::string_view name) {
  constexpr std::string_view kLayers = "encoder.layers.";
  if (name.starts_with("feature_projection.")) return true;
  if (!name.starts_with(kLayers)) return false;
  return std::atoi(std::string(name.substr(kLayers.size(), 3)).c_str()) < kSpeechLayers;
}

// A batch norm after a convolution is folded into it and leaves a bias; one before an activation becomes
// scale and shift. The last one has no bias of its own: its mean's place is taken.
bool is_needed_of_speaker_encoder(std::string_view name) {
  if (name == "xvector.dense.nonlinear.batchnorm.running_mean") return true;
  if (name.ends_with("running_mean") || name.ends_with("running_var")) return false;
  const bool folded = name.find(".bn") != std::string_view::npos ||
                      name.find("shortcut.1.") != std::string_view::npos ||
                      name.find("tdnn.nonlinear.") != std::string_view::npos ||
                      name.find("nonlinear2.") != std::string_view::npos;
  return !folded || !name.ends_with(".weight");
}

bool is_needed_of_gpt(std::string_view name) {
  return starts_with_any(
             name, {"gpt.h.", "gpt.ln_f.", "final_norm.", "mel_head.", "text_embedding.", "mel_embedding.",
                    "text_pos_embedding.", "mel_pos_embedding.", "speed_emb."}) &&
         !name.ends_with(".attn.bias") && !name.ends_with(".attn.masked_bias");
}

// Skips are joined in the second half of the transformer only.
bool is_unused_skip(std::string_view name, std::int64_t depth) {
  constexpr std::string_view kLayers = "transformer.layers.";
  if (!name.starts_with(kLayers) || name.find(".skip_in_linear.") == std::string_view::npos) return false;
  return std::atoi(std::string(name.substr(kLayers.size(), 3)).c_str()) <= depth / 2;
}

bool is_needed_of_flow(std::string_view name, std::int64_t depth) {
  constexpr std::string_view kEstimator = "estimator.";
  if (!name.starts_with(kEstimator)) return false;
  name.remove_prefix(kEstimator.size());
  return !starts_with_any(name, {"x_embedder.", "cond_embedder.", "content_mask_embedder.", "input_pos",
                                 "t_embedder.freqs", "t_embedder2.freqs"}) &&
         !is_unused_skip(name, depth) && name.find("freqs_cis") == std::string_view::npos &&
         name.find("causal_mask") == std::string_view::npos;
}

// Size of dimension `axis` of the tensor `name`; `otherwise` when it is not there.
std::int64_t size_of(const Checkpoint& file, const std::string& name, std::size_t axis,
                     std::int64_t otherwise) {
  const auto* view = file.find(name);
  return view != nullptr && axis < view->shape.size() ? view->shape[axis] : otherwise;
}

// How many scopes "prefix0.", "prefix1.", ... there are.
std::int64_t count_scopes(const Checkpoint& file, const std::string& prefix) {
  std::int64_t count = 0;
  for (;; ++count) {
    const std::string scope = fmt::format("{}{}.", prefix, count);
    const auto found = file.tensors().lower_bound(scope);
    if (found == file.tensors().end() || !found->first.starts_with(scope)) return count;
  }
}

Widths read_widths(const std::vector<Checkpoint>& files) {
  Widths widths;
  const auto& speech = files[kSpeechEncoderFile];
  widths.speech = size_of(speech, "feature_projection.projection.weight", 0, widths.speech);
  widths.speech_inner =
      size_of(speech, "encoder.layers.0.ffn1.intermediate_dense.weight", 0, widths.speech_inner);
  const auto& gpt = files[kGptFile];
  const std::string root = gpt_root(gpt);
  widths.conditioner = size_of(gpt, root + "conditioning_encoder.after_norm.weight", 0, widths.conditioner);
  widths.gpt = size_of(gpt, root + "mel_embedding.weight", 1, widths.gpt);
  widths.codes = size_of(gpt, root + "mel_embedding.weight", 0, widths.codes);
  widths.text_tokens = size_of(gpt, root + "text_embedding.weight", 0, widths.text_tokens);
  widths.text_positions = size_of(gpt, root + "text_pos_embedding.emb.weight", 0, widths.text_positions);
  widths.mel_positions = size_of(gpt, root + "mel_pos_embedding.emb.weight", 0, widths.mel_positions);
  widths.gpt_layers = count_scopes(gpt, root + "gpt.h.");
  const auto& s2mel = files[kS2melFile];
  const std::string flow = s2mel_root(s2mel, "cfm") + "estimator.";
  widths.flow = size_of(s2mel, flow + "conv1.weight", 0, widths.flow);
  widths.flow_inner =
      size_of(s2mel, flow + "transformer.layers.0.feed_forward.w1.weight", 0, widths.flow_inner);
  widths.wavenet_layers = count_scopes(s2mel, flow + "wavenet.in_layers.");
  const auto& vocoder = files[kVocoderFile];
  widths.vocoder = size_of(vocoder, vocoder_root(vocoder) + "conv_pre.bias", 0, widths.vocoder);
  if (files.size() > kLlmFile) {
    widths.llm = size_of(files[kLlmFile], "model.embed_tokens.weight", 1, widths.llm);
    widths.llm_layers = count_scopes(files[kLlmFile], "model.layers.");
  }
  return widths;
}

std::string first_tensor(const Checkpoint& file) {
  if (file.tensors().empty()) return "it holds no tensors";
  return fmt::format("its first tensor is \"{}\"", file.tensors().begin()->first);
}

// A file that a component is read from must hold the tensors that make it what it is.
void require_tensors(const Checkpoint& file, const char* what, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (file.find(name) != nullptr) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: not {}: it has no tensor \"{}\" ({})", file.path().string(), what, name,
                            first_tensor(file)));
  }
}

void check_files(const std::vector<Checkpoint>& files, const std::vector<ModelFile>& located) {
  const auto require = [&](FileIndex index, const std::vector<std::string>& names) {
    require_tensors(files[index], located[index].what.c_str(), names);
  };
  const std::string gpt = gpt_root(files[kGptFile]);
  require(kGptFile, {gpt + "gpt.h.0.attn.c_attn.weight", gpt + "conditioning_encoder.embed.out.0.weight",
                     gpt + "emo_conditioning_encoder.embed.out.0.weight", gpt + "mel_head.weight",
                     gpt + "speed_emb.weight"});
  require(kS2melFile, {s2mel_root(files[kS2melFile], "cfm") + "estimator.cond_x_merge_linear.weight",
                       s2mel_root(files[kS2melFile], "length_regulator") + "content_in_proj.weight",
                       s2mel_root(files[kS2melFile], "gpt_layer") + "0.weight"});
  require(kSpeechEncoderFile, {"feature_projection.projection.weight",
                               fmt::format("encoder.layers.{}.final_layer_norm.weight", kSpeechLayers - 1)});
  require(kCodecFile, {"encoder.0.embed.weight", "quantizer.quantizers.0.codebook.weight"});
  require(kSpeakerEncoderFile, {"head.conv1.weight"});
  require(kVocoderFile, {vocoder_root(files[kVocoderFile]) + "conv_pre.bias"});
  if (files.size() > kLlmFile) require(kLlmFile, {"model.embed_tokens.weight", "model.norm.weight"});
}

std::string missing_message(const fs::path& folder, const std::vector<ModelFile>& files) {
  std::string text = fmt::format("{}: files of the IndexTTS-2 model are missing:", folder.string());
  for (const auto& file : files) {
    if (!file.is_missing()) continue;
    text += fmt::format("\n{}: get it from {}; looked for it at", file.what, file.where_to_get);
    for (const auto& path : file.tried) text += fmt::format("\n  {}", path.string());
  }
  return text + "\nOther folders to look in can be named by index_tts.search_dirs in the configuration file.";
}

void add_components(Description& description, const std::vector<Checkpoint>& files,
                    const std::vector<ModelFile>& located) {
  const std::size_t count = files.size() > kLlmFile ? kRequiredComponents + 1 : kRequiredComponents;
  for (std::size_t i = 0; i < count; ++i) {
    const auto component = static_cast<Component>(i);
    const FileIndex file = file_of(component);
    const DType dtype = dtype_of(component, description.precision);
    description.weights.push_back(
        checkpoint::summarize(files[file], component_weights(component, files[file])));
    description.components.push_back({kind_of(component), located[file].found,
                                      std::string(checkpoint::dtype_name(dtype)),
                                      description.weights.back().bytes_as(dtype)});
  }
  description.stages = {{"speech", {kSpeechEncoder}},
                        {"voice", {kSemanticEncoder, kCodebook, kSpeakerEncoder, kRegulator}},
                        {"speaker_conditioning", {kSpeakerConditioner}},
                        {"emotion_conditioning", {kEmotionConditioner}},
                        {"generation", {kGpt}},
                        {"acoustic", {kCodebook, kRegulator, kFlow}},
                        {"vocoder", {kVocoder}}};
  if (description.has_emotion_llm()) description.stages.push_back({"emotion_text", {kEmotionLlm}});
}

}  // namespace

DType dtype_of(Component component, const Precision& precision) {
  switch (component) {
    case kSpeakerConditioner:
    case kEmotionConditioner:
    case kGpt:
      return precision.gpt;
    case kEmotionLlm:
      return precision.emotion_llm;
    default:
      return DType::kFloat32;
  }
}

std::vector<std::size_t> Description::resident_components() const {
  std::set<std::size_t> indexes;
  for (const std::size_t stage : kResidentStages) {
    indexes.insert(stages[stage].components.begin(), stages[stage].components.end());
  }
  return {indexes.begin(), indexes.end()};
}

std::string Description::emotion_llm_advice() const {
  return fmt::format(
      "{}: the emotion model is not there, and an emotion given as text needs it; get its folder from "
      "https://huggingface.co/IndexTeam/IndexTTS-2, or give the emotion as audio or as eight numbers",
      (folder / config.qwen_emo_path).string());
}

std::string gpt_root(const Checkpoint& file) {
  return file.find("model.mel_head.weight") != nullptr ? "model." : "";
}

std::string s2mel_root(const Checkpoint& file, std::string_view part) {
  std::string root = fmt::format("net.{}.", part);
  std::string module = root + "module.";
  const auto found = file.tensors().lower_bound(module);
  if (found != file.tensors().end() && found->first.starts_with(module)) return module;
  return root;
}

std::string vocoder_root(const Checkpoint& file) {
  return file.find("generator.conv_pre.bias") != nullptr ? "generator." : "";
}

checkpoint::Selection component_weights(Component component, const Checkpoint& file) {
  switch (component) {
    case kSpeechEncoder:
      return below("", is_needed_speech_layer);
    case kSemanticEncoder:
      return below("", [](std::string_view name) {
        return starts_with_any(name, {"encoder.", "quantizer.quantizers.0.in_project."});
      });
    case kCodebook:
      return below("quantizer.quantizers.0.", [](std::string_view name) {
        return starts_with_any(name, {"codebook.", "out_project."});
      });
    case kSpeakerEncoder:
      return below("", is_needed_of_speaker_encoder);
    case kSpeakerConditioner:
      return below(gpt_root(file), [](std::string_view name) {
        return starts_with_any(name, {"conditioning_encoder.", "perceiver_encoder."}) &&
               !name.ends_with(".pe");
      });
    case kEmotionConditioner:
      return below(gpt_root(file), [](std::string_view name) {
        return starts_with_any(name, {"emo_conditioning_encoder.", "emo_perceiver_encoder.", "emovec_layer.",
                                      "emo_layer."}) &&
               !name.ends_with(".pe");
      });
    case kGpt:
      return below(gpt_root(file), is_needed_of_gpt);
    case kRegulator: {
      const std::string regulator = s2mel_root(file, "length_regulator");
      const std::string projection = s2mel_root(file, "gpt_layer");
      return below("", [=](std::string_view name) {
        if (name.starts_with(projection)) return true;
        return name.starts_with(regulator + "content_in_proj.") || name.starts_with(regulator + "model.");
      });
    }
    case kFlow: {
      const std::string root = s2mel_root(file, "cfm");
      const std::int64_t depth = count_scopes(file, root + "estimator.transformer.layers.");
      return below(root, [depth](std::string_view name) { return is_needed_of_flow(name, depth); });
    }
    case kVocoder:
      return below(vocoder_root(file), [](std::string_view name) { return !name.ends_with(".filter"); });
    case kEmotionLlm:
      return below("", [](std::string_view name) { return name.starts_with("model."); });
  }
  throw Error(ErrorCode::kInternal, "no such component");
}

Description describe(const fs::path& path, const DescribeOptions& options) {
  auto located = locate_files(path, options);
  Description description;
  std::error_code ignored;
  description.folder = fs::is_directory(path, ignored) ? path : path.parent_path();
  if (std::any_of(located.begin(), located.end(), [](const auto& file) { return file.is_missing(); })) {
    throw Error(ErrorCode::kNotFound, missing_message(description.folder, located));
  }
  description.config = read_config(description.folder / "config.yaml");
  description.precision = options.precision;
  description.search = options.search;
  description.speech_encoder_config =
      read_speech_encoder_config(located[kSpeechEncoderFile].found.parent_path() / "config.json");
  description.vocoder_config = read_vocoder_config(located[kVocoderFile].found.parent_path() / "config.json");
  description.bpe_model = located[kBpeFile].found;
  description.speech_statistics = located[kStatisticsFile].found;
  description.speaker_matrix = located[kSpeakerMatrixFile].found;
  description.emotion_matrix = located[kEmotionMatrixFile].found;
  if (fs::is_regular_file(description.folder / "glossary.yaml", ignored)) {
    description.glossary = description.folder / "glossary.yaml";
  }
  std::vector<Checkpoint> files;
  for (std::size_t i = 0; i < located.size(); ++i) {
    if (i == kBpeFile) {  // no checkpoint; keeps the order
      files.push_back(files.front());
    } else if (!located[i].found.empty()) {
      files.push_back(Checkpoint::open(located[i].found, checkpoint::OpenMode::kHeaders));
    }
  }
  if (!located[kLlmFile].found.empty()) {
    description.emotion_llm_folder = located[kLlmFile].found.parent_path();
    description.emotion_llm_config = read_emotion_llm_config(description.emotion_llm_folder / "config.json");
  }
  check_files(files, located);
  description.widths = read_widths(files);
  add_components(description, files, located);
  return description;
}

}  // namespace greenroom::models::index_tts
