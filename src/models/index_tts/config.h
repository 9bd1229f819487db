// The config.yaml of an IndexTTS-2 directory and the config.json files of the networks it borrows. Widths and
// depths are read from tensor shapes; here is what shapes do not tell. No torch here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace greenroom::models::index_tts {

// A conformer with a perceiver behind it (gpt.condition_module, gpt.emo_condition_module).
struct ConditionerConfig {
  int attention_heads = 8;
};

struct GptConfig {
  int heads = 20;
  int max_mel_tokens = 1815;
  int max_text_tokens = 600;
  int number_text_tokens = 12000;
  int number_mel_codes = 8194;
  int start_mel_token = 8192;
  int stop_mel_token = 8193;
  int start_text_token = 0;
  int stop_text_token = 1;
  ConditionerConfig condition{8};
  ConditionerConfig emotion_condition{4};
};

// s2mel.preprocess_params; the mel has no upper limit but half the sampling rate when fmax is "None".
struct MelConfig {
  int sampling_rate = 22050;
  int n_fft = 1024;
  int win_length = 1024;
  int hop_length = 256;
  int n_mels = 80;
  double fmin = 0;
  std::optional<double> fmax;
};

struct AcousticConfig {
  MelConfig mel;
  int heads = 8;             // DiT.num_heads
  int wavenet_kernel = 5;    // wavenet.kernel_size
  int wavenet_dilation = 1;  // wavenet.dilation_rate
};

// What of config.yaml inference reads. An absent key keeps the default given here, which is the published
// model's value.
struct Config {
  std::string version = "2.0";
  std::string bpe_model = "bpe.model";
  std::string gpt_checkpoint = "gpt.pth";
  std::string s2mel_checkpoint = "s2mel.pth";
  std::string w2v_stat = "wav2vec2bert_stats.pt";
  std::string emo_matrix = "feat2.pt";
  std::string spk_matrix = "feat1.pt";
  std::string qwen_emo_path = "qwen0.6bemo4-merge/";
  std::string vocoder_name = "nvidia/bigvgan_v2_22khz_80band_256x";
  std::vector<int> emo_num{3, 17, 2, 8, 4, 5, 10, 24};  // rows of each emotion in the two matrices
  GptConfig gpt;
  AcousticConfig acoustic;
};

// Throws base::Error: kNotFound, kDataLoss (not YAML, a value of the wrong type or out of range; names the
// key), kUnimplemented (IndexTTS 1.x or 2.5, or a variant of a network that the official program has and this
// one does not).
Config read_config(const std::filesystem::path& path);

// w2v-bert-2.0/config.json.
struct SpeechEncoderConfig {
  int attention_heads = 16;
  int left_positions = 64;  // left_max_position_embeddings
  int right_positions = 8;  // right_max_position_embeddings
  double layer_norm_eps = 1e-5;
};

// bigvgan/config.json.
struct VocoderConfig {
  std::vector<int> upsample_rates{4, 4, 2, 2, 2, 2};
  std::vector<int> upsample_kernel_sizes{8, 8, 4, 4, 4, 4};
  std::vector<int> resblock_kernel_sizes{3, 7, 11};
  std::vector<std::vector<int>> resblock_dilation_sizes{{1, 3, 5}, {1, 3, 5}, {1, 3, 5}};
  int num_mels = 80;
  int sampling_rate = 22050;
  int hop_size = 256;
  bool snake_logscale = true;
  bool snake_beta = true;      // activation "snakebeta", else "snake"
  bool tanh_at_final = false;  // use_tanh_at_final
};

// config.json of the Qwen3 that tells the emotion of a text.
struct EmotionLlmConfig {
  int attention_heads = 16;
  int key_value_heads = 8;
  int head_dim = 128;
  double rms_norm_eps = 1e-6;
  double rope_theta = 1e6;
  int max_position_embeddings = 40960;
};

// Same errors as read_config.
SpeechEncoderConfig read_speech_encoder_config(const std::filesystem::path& path);
VocoderConfig read_vocoder_config(const std::filesystem::path& path);
EmotionLlmConfig read_emotion_llm_config(const std::filesystem::path& path);

}  // namespace greenroom::models::index_tts
