#include "models/index_tts/voice_features.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "checkpoint/atomic_file.h"
#include "checkpoint/checkpoint.h"
#include "models/index_tts/content_hash.h"

namespace greenroom::models::index_tts {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLayout = 1;  // raised when the meaning of the tensors changes

std::string model_key(const Description& description) {
  ContentHash hash;
  hash.add_number(kLayout);
  const auto add_file = [&](const fs::path& path) {
    std::error_code ignored;
    hash.add(fs::weakly_canonical(path, ignored).string());
    hash.add_number(fs::file_size(path, ignored));
    hash.add_number(
        static_cast<std::uint64_t>(fs::last_write_time(path, ignored).time_since_epoch().count()));
  };
  for (const auto component :
       {kSpeechEncoder, kSemanticEncoder, kSpeakerEncoder, kSpeakerConditioner, kRegulator}) {
    add_file(description.components[component].file);
    hash.add(description.components[component].variant);
  }
  add_file(description.speech_statistics);
  return hash.hex();
}

void write_file(const fs::path& path, const std::map<std::string, torch::Tensor>& tensors) {
  base::Json header;
  std::uint64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::uint64_t bytes = static_cast<std::uint64_t>(tensor.numel()) * sizeof(float);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.sizes().vec()}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  std::string text = header.dump();
  constexpr std::size_t kAlignment = 8;
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  const std::uint64_t length = text.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof(length));
  file << text;
  for (const auto& [name, tensor] : tensors) {
    file.write(reinterpret_cast<const char*>(tensor.data_ptr<float>()),
               static_cast<std::streamsize>(tensor.numel() * static_cast<std::int64_t>(sizeof(float))));
  }
  file.flush();
  if (!file)
    throw base::Error(base::ErrorCode::kUnavailable, fmt::format("{}: cannot be written", path.string()));
}

torch::Tensor plain(const torch::Tensor& tensor) {
  return tensor.to(torch::kCPU, torch::kFloat32).contiguous();
}

}  // namespace

FeatureCache::FeatureCache(fs::path folder, const Description& description)
    : folder_(std::move(folder)), model_(model_key(description)) {}

std::string FeatureCache::key(const char* kind, const audio::Buffer& recording) const {
  ContentHash hash;
  hash.add(model_);
  hash.add(kind);
  hash.add_number(static_cast<std::uint64_t>(recording.sample_rate));
  hash.add(std::as_bytes(std::span(recording.samples)));
  return fmt::format("{}-{}", kind, hash.hex());
}

std::string FeatureCache::voice_key(const audio::Buffer& recording) const {
  return key("voice", recording);
}

std::string FeatureCache::emotion_key(const audio::Buffer& recording) const {
  return key("emotion", recording);
}

std::optional<FeatureCache::Tensors> FeatureCache::read(const std::string& key) const {
  const fs::path path = folder_ / (key + ".safetensors");
  std::error_code ignored;
  if (folder_.empty() || !fs::is_regular_file(path, ignored)) return std::nullopt;
  try {
    const auto file = checkpoint::Checkpoint::open(path);
    Tensors tensors;
    for (const auto& [name, view] : file.tensors()) {
      if (view.dtype != checkpoint::DType::kFloat32 || !view.is_contiguous()) return std::nullopt;
      auto tensor = torch::empty(view.shape, torch::kFloat32);
      std::memcpy(tensor.data_ptr(), view.bytes.data(), view.bytes.size());
      if (!torch::isfinite(tensor).all().item<bool>()) return std::nullopt;
      tensors.emplace(name, std::move(tensor));
    }
    file.check_unchanged();
    return tensors;
  } catch (const base::Error& error) {
    base::log(base::LogLevel::kWarning, "models",
              fmt::format("kept voice features are not used: {}", error.what()));
    return std::nullopt;
  }
}

void FeatureCache::write(const std::string& key, const Tensors& tensors) const {
  if (folder_.empty()) return;
  const fs::path path = folder_ / (key + ".safetensors");
  try {
    std::error_code ignored;
    fs::create_directories(folder_, ignored);
    checkpoint::write_atomically(path, [&](const fs::path& temporary) { write_file(temporary, tensors); });
  } catch (const base::Error& error) {
    base::log(base::LogLevel::kWarning, "models",
              fmt::format("voice features are not kept: {}", error.what()));
  }
}

std::optional<VoiceFeatures> FeatureCache::find_voice(const std::string& key) const {
  auto tensors = read(key);
  if (!tensors) return std::nullopt;
  const auto take = [&](const char* name, std::int64_t dimensions) {
    const auto found = tensors->find(name);
    const bool fits =
        found != tensors->end() && found->second.dim() == dimensions && found->second.numel() > 0;
    return fits ? found->second : torch::Tensor();
  };
  VoiceFeatures features{take("speaker", 3), take("base_emotion", 2), take("style", 2), take("condition", 3),
                         take("mel", 3)};
  for (const auto& tensor :
       {features.speaker, features.base_emotion, features.style, features.condition, features.mel}) {
    if (!tensor.defined()) return std::nullopt;
  }
  return features;
}

std::optional<torch::Tensor> FeatureCache::find_emotion(const std::string& key) const {
  const auto tensors = read(key);
  if (!tensors || tensors->count("emotion") == 0 || tensors->at("emotion").dim() != 2) return std::nullopt;
  return tensors->at("emotion");
}

void FeatureCache::keep(const std::string& key, const VoiceFeatures& features) const {
  write(key, {{"speaker", plain(features.speaker)},
              {"base_emotion", plain(features.base_emotion)},
              {"style", plain(features.style)},
              {"condition", plain(features.condition)},
              {"mel", plain(features.mel)}});
}

void FeatureCache::keep(const std::string& key, const torch::Tensor& emotion) const {
  write(key, {{"emotion", plain(emotion)}});
}

}  // namespace greenroom::models::index_tts
