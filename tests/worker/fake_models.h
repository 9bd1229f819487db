// Models that compute nothing and do what a test tells them: the other end of a worker without libtorch.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "models/library.h"

namespace greenroom::test {

// Weights: memory that is really there.
class FakeWeights final : public core::LoadedComponent {
 public:
  explicit FakeWeights(std::uint64_t bytes) : block_(bytes, 1) {}
  std::uint64_t bytes() const override { return block_.size(); }
  std::shared_ptr<core::HostImage> take_image() override { return std::exchange(image_, nullptr); }
  void set_image(std::shared_ptr<core::HostImage> image) { image_ = std::move(image); }

 private:
  std::vector<char> block_;
  std::shared_ptr<core::HostImage> image_;
};

class FakeImage final : public core::HostImage {
 public:
  explicit FakeImage(std::uint64_t bytes) : bytes_(bytes) {}
  std::uint64_t bytes() const override { return bytes_; }

 private:
  std::uint64_t bytes_;
};

inline std::shared_ptr<core::LoadedComponent> fake_load(const core::ComponentSpec& spec,
                                                        base::DeviceId device,
                                                        const core::LoadControl& control) {
  if (control.progress) control.progress(spec.bytes / 2, spec.bytes);
  auto weights = std::make_shared<FakeWeights>(spec.bytes);
  if (device.kind == base::DeviceKind::kCuda && !control.image && control.admit_image &&
      control.admit_image(spec.bytes)) {
    weights->set_image(std::make_shared<FakeImage>(spec.bytes));
  }
  if (control.cancelled && control.cancelled->load())
    throw base::Error(base::ErrorCode::kCancelled, "cancelled");
  return weights;
}

// What a text or an extractor's name makes a run do; anything else: the run comes to its end.
inline void act_on(const std::string& order, const models::RunControl& control) {
  if (order == "abort") std::abort();
  if (order == "throw") throw std::runtime_error("thrown on purpose");
  if (order == "refuse") {
    throw base::Error(base::ErrorCode::kResourceExhausted, "refused on purpose",
                      std::chrono::milliseconds(1234));
  }
  while (order == "wait" && !control.cancelled->load()) {  // there is nothing to be woken by
    if (control.progress) control.progress(0.25);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (control.cancelled && control.cancelled->load())
    throw base::Error(base::ErrorCode::kCancelled, "cancelled");
}

// Gives back its input, the other way round.
class FakeVoice final : public models::ConversionModel {
 public:
  explicit FakeVoice(models::ddsp_svc::Description description) : description_(std::move(description)) {}

  std::string type() const override { return "ddsp_svc"; }
  const std::vector<core::ComponentSpec>& components() const override { return description_.components; }
  const std::vector<core::Stage>& stages() const override { return description_.stages; }
  std::shared_ptr<core::LoadedComponent> load_component(std::size_t index, base::DeviceId device,
                                                        const core::LoadControl& control) const override {
    return fake_load(description_.components.at(index), device, control);
  }

  models::ConvertResult convert(core::StageAccess& access, base::DeviceId, const audio::Buffer& input,
                                const models::ConvertOptions& options,
                                const models::RunControl& control) const override {
    models::ConvertResult result;
    for (std::size_t stage = 0; stage < description_.stages.size(); ++stage) {
      const auto pinned = access.pin(stage, {1000 + stage, {.audio_seconds = input.seconds()}});
      for (const std::size_t index : description_.stages[stage].components) {
        result.peak_workspace_bytes += pinned->component(index).bytes();
      }
      act_on(options.f0_extractor, control);
      if (options.f0_extractor == "unpinned") pinned->component(description_.components.size());
      pinned->measured(2000 + stage);
      result.stage_times.push_back({description_.stages[stage].name, 0.5});
    }
    if (control.progress) control.progress(1);
    result.audio = input;
    std::reverse(result.audio.samples.begin(), result.audio.samples.end());
    result.notices = {"seed " + std::to_string(options.seed), "pid " + std::to_string(::getpid())};
    return result;
  }

 private:
  models::ddsp_svc::Description description_;
};

// Says each sentence as one segment: the recording of the voice.
class FakeSpeech final : public models::SynthesisModel {
 public:
  explicit FakeSpeech(models::index_tts::Description description) : description_(std::move(description)) {}

  std::string type() const override { return "index_tts"; }
  const std::vector<core::ComponentSpec>& components() const override { return description_.components; }
  const std::vector<core::Stage>& stages() const override { return description_.stages; }
  std::vector<std::size_t> resident_stages() const override {
    return {models::index_tts::kResidentStages.begin(), models::index_tts::kResidentStages.end()};
  }
  std::shared_ptr<core::LoadedComponent> load_component(std::size_t index, base::DeviceId device,
                                                        const core::LoadControl& control) const override {
    return fake_load(description_.components.at(index), device, control);
  }

  models::SpeakResult speak(core::StageAccess& access, base::DeviceId, const models::SpeakRequest& request,
                            const models::SpeakOptions&, const models::SpeakControl& control) const override {
    models::SpeakResult result;
    result.audio.sample_rate = request.voice.sample_rate;
    for (std::size_t i = 0; i < kSegments; ++i) {
      const auto pinned = access.pin(models::index_tts::kGenerationStage, {500, {.text_tokens = 3}});
      pinned->component(models::index_tts::kGpt);
      act_on(request.text, control);
      if (control.on_segment) control.on_segment({i, kSegments, request.voice});
      result.audio.samples.insert(result.audio.samples.end(), request.voice.samples.begin(),
                                  request.voice.samples.end());
    }
    result.segments = kSegments;
    result.text_tokens = request.text.size();
    result.speech_tokens = request.emotion_audio ? request.emotion_audio->samples.size() : 0;
    result.voice_was_known = true;
    return result;
  }

 private:
  static constexpr std::size_t kSegments = 2;
  models::index_tts::Description description_;
};

class FakeLibrary : public models::Library {
 public:
  std::string torch_version() const override { return "fake"; }
  int cuda_device_count() const override { return 3; }
  void set_threads(int) const override {}
  models::DeviceHeap device_heap(int index) const override {
    return {900, static_cast<std::uint64_t>(1000 + index), 50};
  }
  void release_device_memory() const override {}
  // A run on a GPU that throws leaves it broken.
  bool is_device_broken(int) const override { return true; }
  std::shared_ptr<const models::ConversionModel> make_ddsp_svc(
      models::ddsp_svc::Description description) const override {
    return std::make_shared<FakeVoice>(std::move(description));
  }
  std::shared_ptr<const models::SynthesisModel> make_index_tts(models::index_tts::Description description,
                                                               std::filesystem::path) const override {
    return std::make_shared<FakeSpeech>(std::move(description));
  }
};

}  // namespace greenroom::test
