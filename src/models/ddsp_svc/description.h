// What a DDSP-SVC voice is made of, found out from its files without loading any: generation, speakers, and
// the four components with their exact sizes. No torch here, so `greenroom estimate` answers in milliseconds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/summary.h"
#include "core/model.h"
#include "models/ddsp_svc/config.h"
#include "models/model_file.h"

namespace greenroom::models::ddsp_svc {

enum class Generation { k60, k61, k62, k63, k63Glu };

std::string_view generation_name(Generation generation);  // "6.0", ..., "6.3-glu"

// Indexes into Description::components.
enum Component : std::size_t { kEncoder = 0, kPitch = 1, kVoice = 2, kVocoder = 3 };

// Channel counts of the networks, read from tensor shapes: what activation memory grows with.
struct Widths {
  std::int64_t encoder_conv = 512;
  std::int64_t encoder = 768;
  std::int64_t encoder_inner = 3072;
  std::int64_t pitch = 16;  // of the U-Net's first level
  std::int64_t control = 512;
  std::int64_t flow = 1024;
  std::int64_t vocoder = 512;  // before the first upsampling
};

struct Description {
  std::filesystem::path model_file;
  VoiceConfig config;
  VocoderConfig vocoder_config;
  Generation generation = Generation::k60;
  Widths widths;
  std::int64_t training_steps = 0;              // global_step of the checkpoint, 0 when absent
  std::vector<core::ComponentSpec> components;  // in the order of Component
  std::vector<checkpoint::Summary> weights;     // of what the loader keeps of each
  std::vector<core::Stage> stages;              // kPitchStage, kConvertStage
  std::filesystem::path pretrain_dir;           // it was described with, to describe it again elsewhere
};

// ConvertOptions::degradation n cuts segments into pieces of 12 s, 6 s, 3 s: memory grows with the longest.
inline constexpr int kDegradations = 3;

enum StageIndex : std::size_t { kPitchStage = 0, kConvertStage = 1 };

// Which generation the keys of a voice checkpoint belong to (6.1 and 6.2 have the same keys and other
// mathematics; only data.volume_smooth_size of the config tells them apart). Throws
// base::Error(kInvalidArgument) when the file is no 6.x voice, saying what it looks like instead.
Generation detect_generation(const checkpoint::Checkpoint& voice, const VoiceConfig& config);

// `model_path` is model_N.pt, or a folder that holds exactly one model (or a model_best.pt, or takes the
// highest N). Files the config names are tried as they are, relative to the model's folder and its parents'
// (`exp/voice/..`), then below `pretrain_dir` (argument, else ddsp_svc.pretrain_dir of the config). Throws
// base::Error(kNotFound) naming every file that is missing, the places it was looked for, and where to get
// it.
Description describe(const std::filesystem::path& model_path, const std::filesystem::path& pretrain_dir = {});

// The three files beside model and config that it needs, as the config names them: content encoder, pitch
// network, vocoder. Throws base::Error for a model or config.yaml that is missing or wrong.
std::vector<ModelFile> locate_files(const std::filesystem::path& model_path,
                                    const std::filesystem::path& pretrain_dir = {});

// What a component's loader keeps of its file: weight norm folded (its gains are not counted), buffers and
// unused parameters dropped. Each holds on to the file.
checkpoint::Selection encoder_weights(const checkpoint::Checkpoint& file, std::string_view encoder_name);
checkpoint::Selection pitch_weights(const checkpoint::Checkpoint& file);
checkpoint::Selection voice_weights(const checkpoint::Checkpoint& file);
checkpoint::Selection vocoder_weights(const checkpoint::Checkpoint& file);
// The one of these for a component of a voice.
checkpoint::Selection component_weights(Component component, const checkpoint::Checkpoint& file,
                                        const VoiceConfig& config);

}  // namespace greenroom::models::ddsp_svc
