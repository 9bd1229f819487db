#include "models/ddsp_svc/model.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "audio/frames.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "models/ddsp_svc/pipeline.h"
#include "models/ddsp_svc/workspace.h"
#include "models/loaded_network.h"
#include "models/workspace_report.h"
#include "nn/device_stream.h"
#include "nn/guard.h"

namespace greenroom::models::ddsp_svc {
namespace {

using base::Error;
using base::ErrorCode;

// Shares of the progress bar.
constexpr double kPitchShare = 0.15;

void check_cancelled(const RunControl& control) {
  if (control.cancelled && control.cancelled->load())
    throw Error(ErrorCode::kCancelled, "the conversion was cancelled");
}

class Model final : public ConversionModel {
 public:
  explicit Model(Description description) : description_(std::move(description)) {}

  std::string type() const override { return "ddsp_svc"; }
  const std::vector<core::ComponentSpec>& components() const override { return description_.components; }
  const std::vector<core::Stage>& stages() const override { return description_.stages; }

  std::shared_ptr<core::LoadedComponent> load_component(std::size_t index, base::DeviceId device,
                                                        const core::LoadControl& control) const override;
  ConvertResult convert(core::StageAccess& access, base::DeviceId device, const audio::Buffer& input,
                        const ConvertOptions& options, const RunControl& control) const override;
  int degradations() const override { return kDegradations; }

 private:
  void convert_segments(core::PinnedStage& stage, torch::Device device, const audio::Buffer& input,
                        const Analysis& analysis, const ConvertOptions& options, const RunControl& control,
                        StageClock& clock, ConvertResult& result) const;

  Description description_;
};

std::shared_ptr<core::LoadedComponent> Model::load_component(std::size_t index, base::DeviceId device,
                                                             const core::LoadControl& control) const {
  const auto& spec = description_.components.at(index);
  if (control.cancelled && control.cancelled->load()) {
    throw Error(ErrorCode::kCancelled, fmt::format("loading {} was cancelled", spec.file.string()));
  }
  const auto& config = description_.config;
  const auto file = checkpoint::Checkpoint::open(spec.file);
  const auto options = block_options(control, component_weights(static_cast<Component>(index), file, config));
  std::shared_ptr<core::LoadedComponent> loaded;
  switch (index) {
    case kEncoder:
      loaded = load_network(spec, device, options, file, [&](const nn::Weights& weights) {
        return ContentEncoder(weights, units_kind(config.encoder));
      });
      break;
    case kPitch:
      loaded = load_network(spec, device, options, file,
                            [](const nn::Weights& weights) { return PitchNet(weights); });
      break;
    case kVoice:
      loaded = load_network(spec, device, options, file, [&](const nn::Weights& weights) {
        return Voice(weights, description_.generation, config);
      });
      break;
    default:
      loaded = load_network(spec, device, options, file, [&](const nn::Weights& weights) {
        return Vocoder(weights, description_.vocoder_config, config.vocoder_type == "nsf-hifigan-log10");
      });
  }
  if (control.progress) control.progress(spec.bytes, spec.bytes);
  return loaded;
}

void Model::convert_segments(core::PinnedStage& stage, torch::Device device, const audio::Buffer& input,
                             const Analysis& analysis, const ConvertOptions& options,
                             const RunControl& control, StageClock& clock, ConvertResult& result) const {
  const auto& voice = network_of<Voice>(stage, kVoice);
  const Networks networks{network_of<ContentEncoder>(stage, kEncoder), voice,
                          network_of<Vocoder>(stage, kVocoder)};
  const auto resolved = resolve_options(options, description_.config, description_.vocoder_config,
                                        description_.generation, voice.speakers(), voice.shifts_formants());
  result.notices = resolved.notices;
  nn::SeededNoise noise(options.seed);
  std::vector<double> joined;
  for (std::size_t i = 0; i < analysis.segments.size(); ++i) {
    const auto& segment = analysis.segments[i];
    const auto total = static_cast<double>(input.samples.size());
    const auto output =
        convert_segment(networks, device, input, analysis, i, resolved, noise, clock, [&](double done) {
          check_cancelled(control);
          if (!control.progress) return;
          const double samples = static_cast<double>(segment.first_sample) +
                                 done * static_cast<double>(segment.end_sample - segment.first_sample);
          control.progress(kPitchShare + (1 - kPitchShare) * samples / total);
        });
    join_segment(joined, output.audio, analysis, i, description_.config.block_size);
  }
  // Once more: a file that changed meanwhile makes noise of what was computed from it.
  network_of<Voice>(stage, kVoice);
  network_of<ContentEncoder>(stage, kEncoder);
  network_of<Vocoder>(stage, kVocoder);
  result.audio.sample_rate = description_.config.sampling_rate;
  result.audio.samples.assign(joined.begin(), joined.end());
}

ConvertResult Model::convert(core::StageAccess& access, base::DeviceId device, const audio::Buffer& input,
                             const ConvertOptions& options, const RunControl& control) const {
  if (input.samples.empty()) throw Error(ErrorCode::kInvalidArgument, "the recording is empty");
  // Wrong options fail here, before minutes of work; the speaker table's size is in the file's header.
  const auto voice_file =
      checkpoint::Checkpoint::open(description_.model_file, checkpoint::OpenMode::kHeaders);
  const auto* table = voice_file.find("model.ddsp_model.unit2ctrl.spk_embed.weight");
  const int speakers = table != nullptr && !table->shape.empty() ? static_cast<int>(table->shape[0]) : 1;
  resolve_options(options, description_.config, description_.vocoder_config, description_.generation,
                  speakers, true);

  ConvertResult result;
  StageClock clock;
  const auto torch_device = nn::to_torch(device);
  auto analysis = analyse(input, description_.config, description_.generation, options);
  check_cancelled(control);
  nn::run_guarded("pitch", device, [&] {
    const auto started = std::chrono::steady_clock::now();
    const core::WorkspaceNeed need = pitch_need(description_, input.seconds());
    const auto stage = access.pin(kPitchStage, need);
    const nn::DeviceStream stream(device);  // ends before the weights may be freed
    const nn::WorkspaceMeasurement workspace(device);
    analysis.f0 = analyse_pitch(network_of<PitchNet>(*stage, kPitch), torch_device, input,
                                description_.config, description_.generation, options, [&](double done) {
                                  check_cancelled(control);
                                  if (control.progress) control.progress(kPitchShare * done);
                                });
    network_of<PitchNet>(*stage, kPitch);  // throws when its file changed under it
    result.peak_workspace_bytes = tell_workspace("pitch", need, workspace, *stage);
    clock.add("pitch", std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  });
  if (control.progress) control.progress(kPitchShare);
  check_cancelled(control);
  std::int64_t longest = 0;
  for (const auto& segment : analysis.segments) {
    longest = std::max(longest, audio::frame_count(segment.end_sample - segment.first_sample, analysis.hop));
  }
  nn::run_guarded("convert", device, [&] {
    const double seconds = static_cast<double>(longest) * analysis.hop / input.sample_rate;
    const core::WorkspaceNeed need = convert_need(description_, longest, seconds);
    const auto stage = access.pin(kConvertStage, need);
    const nn::DeviceStream stream(device);  // ends before the weights may be freed
    const nn::WorkspaceMeasurement workspace(device);
    convert_segments(*stage, torch_device, input, analysis, options, control, clock, result);
    result.peak_workspace_bytes =
        std::max(result.peak_workspace_bytes, tell_workspace("convert", need, workspace, *stage));
  });
  if (control.progress) control.progress(1);
  result.stage_times = clock.times();
  nn::WorkspaceMeter::trim();
  return result;
}

}  // namespace

std::shared_ptr<const ConversionModel> make_model(Description description) {
  return std::make_shared<Model>(std::move(description));
}

}  // namespace greenroom::models::ddsp_svc
