#include "app/demo.h"

#include <cmath>
#include <numbers>
#include <random>

#include "audio/file.h"
#include "base/error.h"
#include "models/ddsp_svc/demo.h"
#include "models/index_tts/demo.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;

// Four seconds of vowels: pulses of a moving pitch through two resonances.
audio::Buffer made_up_voice() {
  constexpr int kRate = 22050;
  constexpr double kSeconds = 4;
  constexpr double kTurn = 2 * std::numbers::pi;
  audio::Buffer audio{std::vector<float>(static_cast<std::size_t>(kRate * kSeconds)), kRate};
  std::mt19937 random(1);
  std::normal_distribution<float> breath(0, 0.002F);
  double phase = 0;
  for (std::size_t i = 0; i < audio.samples.size(); ++i) {
    const double t = static_cast<double>(i) / kRate;
    const double pitch = 150 + 25 * std::sin(kTurn * 0.7 * t) + 4 * std::sin(kTurn * 5.5 * t);
    const double first = 500 + 250 * std::sin(kTurn * 1.3 * t);
    const double second = 1500 + 500 * std::sin(kTurn * 0.9 * t + 1);
    const double syllable = 0.2 + 0.8 * std::pow(std::sin(std::numbers::pi * 1.6 * t), 2);
    phase += pitch / kRate;
    double sum = 0;
    for (int k = 1; k * pitch < 5000; ++k) {
      const double hertz = k * pitch;
      const auto resonance = [&](double centre, double width) {
        return 1 / (1 + std::pow((hertz - centre) / width, 2));
      };
      sum += (resonance(first, 120) + 0.6 * resonance(second, 200) + 0.02) * std::sin(kTurn * k * phase);
    }
    audio.samples[i] = static_cast<float>(0.15 * syllable * sum) + breath(random);
  }
  return audio;
}

void keep_voice(const fs::path& folder, VoiceLibrary& voices) {
  const fs::path file = folder / "voice.wav";
  audio::write_file(file, made_up_voice());
  const auto taken = voices.find("demo");
  voices.add(file, taken ? "" : "demo");
}

}  // namespace

std::vector<std::string> make_demo(Engine& engine, VoiceLibrary& voices,
                                   const std::function<void(const std::string& file)>& told) {
  const auto& cache = engine.config().cache_dir;
  if (cache.empty()) {
    throw base::Error(
        base::ErrorCode::kFailedPrecondition,
        "demo models are kept in system.cache_dir, and there is none; set it in the configuration");
  }
  const fs::path folder = cache / "demo";
  const auto wrote = [&](const fs::path& file) {
    if (told) told(file.filename().string());
  };
  models::ddsp_svc::DemoOptions voice_options;
  voice_options.wrote = wrote;
  models::ddsp_svc::write_demo_models(folder, voice_options);
  models::index_tts::DemoOptions speech_options;
  speech_options.wrote = wrote;
  models::index_tts::write_demo_model(folder / "index_tts", speech_options);
  keep_voice(folder, voices);
  std::vector<std::string> ids;
  for (const char* name : {"alto", "tenor", "index_tts"}) {
    ids.push_back(engine.registry().add(folder / name, {}, std::string("demo/") + name));
  }
  return ids;
}

}  // namespace greenroom::app
