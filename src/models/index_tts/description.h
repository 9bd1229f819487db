// What an IndexTTS-2 directory is made of, found out from its files without loading any: the components with
// their exact sizes, the stages that need them, and where the files of other projects were found. No torch
// here.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/summary.h"
#include "core/model.h"
#include "models/index_tts/config.h"
#include "models/model_file.h"

namespace greenroom::models::index_tts {

// Indexes into Description::components. The network classes bear the same names (SpeechEncoder, ...).
enum Component : std::size_t {
  kSpeechEncoder = 0,   // w2v-bert-2.0, layers 0..16: audio -> features
  kSemanticEncoder,     // encoder of the MaskGCT codec and the projection into its code space
  kCodebook,            // the codec's codes and the projection out of their space
  kSpeakerEncoder,      // CAMPPlus: audio -> style
  kSpeakerConditioner,  // of gpt.pth: features -> 32 vectors
  kEmotionConditioner,  // of gpt.pth: features -> emotion vector
  kGpt,                 // of gpt.pth: the trunk, its embeddings and head
  kRegulator,           // of s2mel.pth: length_regulator and gpt_layer
  kFlow,                // of s2mel.pth: cfm
  kVocoder,             // BigVGAN v2
  kEmotionLlm,          // Qwen3: text -> emotion; absent when the directory has none
};
inline constexpr std::size_t kRequiredComponents = kEmotionLlm;

// Indexes into Description::stages, in the order in which a run goes through them. The first four are needed
// for a voice that is not known yet; kEmotionLlmStage only for use_emo_text, and only there when the
// component is.
enum StageIndex : std::size_t {
  kSpeechStage = 0,          // kSpeechEncoder
  kVoiceStage,               // kSemanticEncoder, kCodebook, kSpeakerEncoder, kRegulator
  kSpeakerConditionerStage,  // kSpeakerConditioner
  kEmotionConditionerStage,  // kEmotionConditioner
  kGenerationStage,          // kGpt
  kAcousticStage,            // kCodebook, kRegulator, kFlow
  kVocoderStage,             // kVocoder
  kEmotionLlmStage,          // kEmotionLlm
};
// Those of a voice that is known. kCodebook and kRegulator are needed for a new one as well.
inline constexpr std::array<std::size_t, 3> kResidentStages = {kGenerationStage, kAcousticStage,
                                                               kVocoderStage};

// Element types that can be chosen. Upstream's fp16 mode halves the whole of gpt.pth and nothing else.
struct Precision {
  checkpoint::DType gpt = checkpoint::DType::kFloat32;          // kGpt and both conditioners
  checkpoint::DType emotion_llm = checkpoint::DType::kFloat32;  // kEmotionLlm
};

checkpoint::DType dtype_of(Component component, const Precision& precision);

struct DescribeOptions {
  // Folders beside the model's own and its hf_cache in which files of other projects may lie, plain or in the
  // layout of a Hugging Face cache.
  std::vector<std::filesystem::path> search;
  Precision precision;
};

// Sizes read from tensor shapes: what activation memory grows with.
struct Widths {
  std::int64_t speech = 1024;        // of w2v-bert
  std::int64_t speech_inner = 4096;  // its feed-forward
  std::int64_t conditioner = 512;
  std::int64_t gpt = 1280;
  std::int64_t gpt_layers = 24;
  std::int64_t codes = 8194;         // of mel_head
  std::int64_t text_tokens = 12001;  // rows of text_embedding
  std::int64_t text_positions = 602;
  std::int64_t mel_positions = 1818;
  std::int64_t flow = 512;
  std::int64_t flow_inner = 1536;
  std::int64_t wavenet_layers = 8;
  std::int64_t vocoder = 1536;  // before the first upsampling
  std::int64_t llm = 1024;
  std::int64_t llm_layers = 28;
};

struct Description {
  std::filesystem::path folder;
  Config config;
  SpeechEncoderConfig speech_encoder_config;
  VocoderConfig vocoder_config;
  EmotionLlmConfig emotion_llm_config;
  std::filesystem::path bpe_model;
  std::filesystem::path speech_statistics;   // wav2vec2bert_stats.pt
  std::filesystem::path speaker_matrix;      // feat1.pt
  std::filesystem::path emotion_matrix;      // feat2.pt
  std::filesystem::path glossary;            // glossary.yaml; empty when there is none
  std::filesystem::path emotion_llm_folder;  // empty when there is none
  Precision precision;
  Widths widths;
  std::vector<core::ComponentSpec> components;  // in the order of Component
  std::vector<checkpoint::Summary> weights;     // of what the loader keeps of each
  std::vector<core::Stage> stages;              // in the order of StageIndex
  std::vector<std::filesystem::path> search;    // it was described with, to describe it again elsewhere

  // Indexes of the components that kResidentStages need, in order.
  std::vector<std::size_t> resident_components() const;

  bool has_emotion_llm() const { return components.size() > kEmotionLlm; }
  // Why there is no emotion model, and how to get one. REQUIRES: !has_emotion_llm().
  std::string emotion_llm_advice() const;
};

// Every file of the model at `folder` (or of the one whose config.yaml or gpt.pth `folder` is). Throws
// base::Error only for a config.yaml that is missing or wrong.
std::vector<ModelFile> locate_files(const std::filesystem::path& folder, const DescribeOptions& options = {});

// Throws base::Error: kNotFound naming every file that is missing, where it was looked for and where to get
// it; kDataLoss and kInvalidArgument for files that are not what they should be.
Description describe(const std::filesystem::path& folder, const DescribeOptions& options = {});

// What a component's loader keeps of its file: weight norm folded (its gains are not counted), buffers,
// unused layers and heads dropped. Holds on to the file.
checkpoint::Selection component_weights(Component component, const checkpoint::Checkpoint& file);

// Where the state dict begins in the official containers: "" or "model." in gpt.pth, "net." (and below it
// perhaps "module.") in s2mel.pth, "generator." or "" in BigVGAN's.
std::string gpt_root(const checkpoint::Checkpoint& file);
std::string s2mel_root(const checkpoint::Checkpoint& file, std::string_view part);  // "net.cfm."
std::string vocoder_root(const checkpoint::Checkpoint& file);

}  // namespace greenroom::models::index_tts
