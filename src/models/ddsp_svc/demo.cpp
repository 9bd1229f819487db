#include "models/ddsp_svc/demo.h"

#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "models/ddsp_svc/demo_components.h"

namespace greenroom::models::ddsp_svc {
namespace {

constexpr std::string_view kComment = "greenroom demo model: made by greenroom demo-models, not a real voice";

// Sizes of all components. The defaults of the shapes are the tiny demo's.
struct DemoShapes {
  DemoEncoderShape encoder;
  DemoPitchShape pitch;
  DemoVocoderShape vocoder;
  DemoVoiceShape alto, tenor;
  int infer_steps = 10;
};

DemoShapes tiny_shapes() {
  DemoShapes shapes;
  shapes.alto.formants = {{850, 9, 0.3}, {1600, 7, 0.2}, {3100, 12, 0.2}};
  shapes.alto.tilt_db_per_octave = -5;
  shapes.alto.speaker_shifts_octaves = {0, -0.7};
  shapes.tenor.formants = {{500, 10, 0.3}, {1100, 9, 0.25}, {2600, 8, 0.15}};
  shapes.tenor.tilt_db_per_octave = -9;
  shapes.tenor.speaker_shifts_octaves = {0};
  return shapes;
}

// Those of contentvec legacy_500, the published RMVPE and NSF-HiFiGAN, and a 6.3 voice with upstream's
// defaults.
DemoShapes published_shapes() {
  DemoShapes shapes = tiny_shapes();
  shapes.encoder = {.width = 768, .layers = 12, .inner = 3072, .conv = 512, .projection = 256, .labels = 504};
  shapes.pitch = {.channels = 16, .blocks = 4, .middle_layers = 4, .hidden = 256};
  shapes.vocoder.channels = 512;
  shapes.infer_steps = 50;
  for (DemoVoiceShape* voice : {&shapes.alto, &shapes.tenor}) {
    voice->units = 768;
    voice->aux_channels = 512;
    voice->aux_layers = 6;
    voice->channels = 1024;
    voice->layers = 6;
  }
  return shapes;
}

void write_text(const std::filesystem::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) {
    throw base::Error(base::ErrorCode::kUnavailable, fmt::format("{}: cannot write", path.string()));
  }
}

void make_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    throw base::Error(base::ErrorCode::kUnavailable,
                      fmt::format("{}: cannot create the folder: {}", path.string(), error.message()));
  }
}

// Upstream's config.yaml, in its order, less what only training reads.
std::string voice_config(const DemoVoiceShape& shape, std::string_view name, int infer_steps) {
  return fmt::format(
      R"(# {comment}
data:
  f0_extractor: rmvpe
  f0_min: 65
  f0_max: 800
  sampling_rate: {rate}
  block_size: {block}
  volume_smooth_size: 1024
  duration: 2
  encoder: contentvec768l12tta2x
  cnhubertsoft_gate: 10
  encoder_sample_rate: 16000
  encoder_hop_size: 160
  encoder_out_channels: {units}
  encoder_ckpt: pretrain/contentvec/checkpoint_best_legacy_500.pt
  train_path: data/train
  valid_path: data/val
  extensions:
    - wav
model:
  type: RectifiedFlow
  win_length: {window}
  n_layers: {layers}
  n_chans: {channels}
  n_aux_layers: {aux_layers}
  n_aux_chans: {aux_channels}
  use_norm: true
  use_attention: false
  use_pitch_aug: true
  t_start: 0.0
  n_spk: {speakers}
device: cpu
vocoder:
  type: nsf-hifigan
  ckpt: pretrain/nsf_hifigan/model
infer:
  infer_step: {steps}
  method: euler
env:
  expdir: exp/{name}
  gpu_id: 0
)",
      fmt::arg("comment", kComment), fmt::arg("rate", kDemoSampleRate), fmt::arg("block", kDemoBlock),
      fmt::arg("units", shape.units), fmt::arg("window", kDemoWindow), fmt::arg("layers", shape.layers),
      fmt::arg("channels", shape.channels), fmt::arg("aux_layers", shape.aux_layers),
      fmt::arg("aux_channels", shape.aux_channels), fmt::arg("speakers", shape.speaker_shifts_octaves.size()),
      fmt::arg("steps", infer_steps), fmt::arg("name", name));
}

std::string vocoder_config(const DemoVocoderShape& shape) {
  const base::Json config = {
      {"greenroom_demo", kComment},
      {"resblock", "1"},
      {"upsample_rates", shape.rates},
      {"upsample_kernel_sizes", shape.kernels},
      {"upsample_initial_channel", shape.channels},
      {"resblock_kernel_sizes", shape.block_kernels},
      {"resblock_dilation_sizes", std::vector<std::vector<int>>(shape.block_kernels.size(), shape.dilations)},
      {"num_mels", kDemoMels},
      {"n_fft", kDemoWindow},
      {"hop_size", kDemoBlock},
      {"win_size", kDemoWindow},
      {"sampling_rate", kDemoSampleRate},
      {"fmin", static_cast<int>(kDemoMelMinHz)},
      {"fmax", static_cast<int>(kDemoMelMaxHz)},
      {"mini_nsf", true},
      {"pc_aug", true},
  };
  return config.dump(4) + "\n";
}

}  // namespace

void write_demo_models(const std::filesystem::path& folder, const DemoOptions& options) {
  const DemoShapes shapes = options.real_dimensions ? published_shapes() : tiny_shapes();
  const auto place = [&](const std::filesystem::path& name) {
    make_folder((folder / name).parent_path());
    return folder / name;
  };
  const auto tell = [&](const std::filesystem::path& file) {
    if (options.wrote) options.wrote(file);
  };
  // Each set is gone before the next is made, so that one component's weights are the most held in memory.
  const auto write = [&](TensorSet set, const char* name, const char* root,
                         const std::vector<std::pair<std::string, std::int64_t>>& numbers = {}) {
    const auto path = place(name);
    set.write(path, root, numbers);
    tell(path);
  };
  const auto write_plain = [&](const char* name, const std::string& text) {
    const auto path = place(name);
    write_text(path, text);
    tell(path);
  };
  // The components' seeds differ, for some tensors have the same name in two of them.
  write(demo_encoder(shapes.encoder, options.seed + 1), "pretrain/contentvec/checkpoint_best_legacy_500.pt",
        "model");
  write(demo_pitch(shapes.pitch, options.seed + 2), "pretrain/rmvpe/model.pt", "model");
  write_plain("pretrain/nsf_hifigan/config.json", vocoder_config(shapes.vocoder));
  write(demo_vocoder(shapes.vocoder, options.seed + 3), "pretrain/nsf_hifigan/model", "generator");
  write_plain("alto/config.yaml", voice_config(shapes.alto, "alto", shapes.infer_steps));
  write(demo_voice(shapes.alto, options.seed + 4), "alto/model_0.pt", "model", {{"global_step", 0}});
  write_plain("tenor/config.yaml", voice_config(shapes.tenor, "tenor", shapes.infer_steps));
  write(demo_voice(shapes.tenor, options.seed + 5), "tenor/model_0.pt", "model", {{"global_step", 0}});
}

}  // namespace greenroom::models::ddsp_svc
