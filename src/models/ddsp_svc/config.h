// The config.yaml beside a DDSP-SVC voice and the config.json beside its vocoder. No torch here.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace greenroom::models::ddsp_svc {

// What inference reads of config.yaml; an absent key keeps the default given here, as upstream's
// "missing key is None" does. Widths, depths and the use of norms, attention and formant shift are read from
// the checkpoint's own tensors instead.
struct VoiceConfig {
  int sampling_rate = 44100;
  int block_size = 512;
  std::optional<double> volume_smooth_size;
  std::string encoder;  // "contentvec768l12", "contentvec768l12tta2x"
  int encoder_sample_rate = 16000;
  int encoder_hop_size = 320;
  int encoder_out_channels = 768;
  std::string encoder_ckpt;
  std::string model_type;  // "RectifiedFlow" for 6.x
  int win_length = 2048;
  int n_spk = 1;
  double t_start = 0;
  std::string glu_type = "atanglu";
  std::string vocoder_type = "nsf-hifigan";
  std::string vocoder_ckpt;
  int infer_step = 20;
  std::string infer_method = "euler";
  std::optional<std::string> pretrain_dir;  // ddsp_svc.pretrain_dir, our own addition
};

// Throws base::Error: kNotFound, kDataLoss (not YAML, a value of the wrong type or out of range; names the
// key).
VoiceConfig read_voice_config(const std::filesystem::path& path);

struct VocoderConfig {
  std::string resblock = "1";
  std::vector<int> upsample_rates;
  std::vector<int> upsample_kernel_sizes;
  std::vector<int> resblock_kernel_sizes;
  std::vector<std::vector<int>> resblock_dilation_sizes;
  int num_mels = 128;
  int sampling_rate = 44100;
  int n_fft = 2048;
  int win_size = 2048;
  int hop_size = 512;
  double fmin = 40;
  double fmax = 16000;
  bool mini_nsf = false;
  bool pc_aug = false;
};

// Same errors. Checks that the upsampling rates multiply to the hop.
VocoderConfig read_vocoder_config(const std::filesystem::path& path);

}  // namespace greenroom::models::ddsp_svc
