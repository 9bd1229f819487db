// What the networks make of a reference recording, and the folder in which it is kept, so that a known voice
// speaks without the reference encoders.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "audio/buffer.h"
#include "models/index_tts/description.h"

namespace greenroom::models::index_tts {

// Of the recording of a voice. Float32, on the CPU.
struct VoiceFeatures {
  torch::Tensor speaker;       // [1, 32, width], of the speaker conditioner
  torch::Tensor base_emotion;  // [1, width], of the emotion conditioner on the same features
  torch::Tensor style;         // [1, 192]
  torch::Tensor condition;     // [1, mel frames, channels], of the regulator
  torch::Tensor mel;           // [1, mels, mel frames]
};

// Folder of <hash>.safetensors files. A hash covers the samples and the files of every network that took
// part, so nothing in it is ever out of date. Thread-safe; several processes may share it.
class FeatureCache {
 public:
  // An empty `folder` keeps nothing.
  FeatureCache(std::filesystem::path folder, const Description& description);

  std::string voice_key(const audio::Buffer& recording) const;
  std::string emotion_key(const audio::Buffer& recording) const;

  // A file that cannot be read or does not fit counts as absent.
  std::optional<VoiceFeatures> find_voice(const std::string& key) const;
  std::optional<torch::Tensor> find_emotion(const std::string& key) const;  // [1, width]

  // A folder that cannot be written costs a warning in the log, nothing else.
  void keep(const std::string& key, const VoiceFeatures& features) const;
  void keep(const std::string& key, const torch::Tensor& emotion) const;

 private:
  using Tensors = std::map<std::string, torch::Tensor>;
  std::string key(const char* kind, const audio::Buffer& recording) const;
  std::optional<Tensors> read(const std::string& key) const;
  void write(const std::string& key, const Tensors& tensors) const;

  std::filesystem::path folder_;
  std::string model_;  // names the model's files and their state
};

}  // namespace greenroom::models::index_tts
