// How the engine speaks.
#include <algorithm>
#include <memory>
#include <utility>

#include "app/catalog.h"
#include "app/engine.h"
#include "app/staged_model.h"

namespace greenroom::app {
namespace {

// What a text is as audio, for the queue's sense of fairness: a Chinese character is three bytes and a
// quarter of a second, a Latin letter one byte and 0.07 s.
double seconds_of(const std::string& text) {
  constexpr double kSecondsPerByte = 0.08;
  return kSecondsPerByte * static_cast<double>(text.size());
}

}  // namespace

models::SpeakResult Engine::speak(const std::string& model_id, const models::SpeakRequest& request,
                                  const models::SpeakOptions& options, const models::SpeakControl& control,
                                  const RequestOptions& how) {
  check_type(model_id, kIndexTts);
  use_threads();
  last_request_ = clock_.now();
  manager_->touch(model_id);
  tasks_->note_use(model_id);
  RunRequest run;
  run.name = "speak";
  run.model_id = model_id;
  run.cost = 1 + seconds_of(request.text);
  run.options = how;
  run.cancelled = std::const_pointer_cast<std::atomic<bool>>(control.cancelled);  // as in convert
  run.resolve = [&] { return resolve(model_id); };
  run.resolve_on = [&](base::DeviceId device) {
    return make_speech_member(model_id, find(model_id).path, device, false);
  };
  run.in_stages = [&](base::DeviceId device) {
    return make_speech_member(model_id, find(model_id).path, device, true);
  };
  run.fallbacks = fallbacks(model_id);
  // Half precision is for GPUs.
  if (config_.index_tts_precision == "float16") std::erase(run.fallbacks, base::DeviceId());
  run.degradations = [&] {
    return options.num_beams > 1 ? models::SynthesisModel::kDegradations
                                 : models::SynthesisModel::kDegradations - 1;
  };
  std::size_t handed_out = 0;
  models::SpeakResult result;
  requests_->run(run, [&](const RunTurn& turn) {
    // Only make_speech_member makes models of this type.
    auto part = std::make_shared<const PartModel>(static_cast<const PartModel&>(turn.run.model()));
    const auto& model = static_cast<const models::SynthesisModel&>(*part->whole());
    StagedAccess access(*manager_, turn.model_id, part, turn.run);
    auto chosen = options;
    chosen.degradation = turn.degradation;
    models::SpeakControl mine;
    mine.progress = control.progress;
    mine.cancelled = turn.cancelled;
    if (control.on_segment) {
      mine.on_segment = [&](const models::SpokenSegment& segment) {
        if (segment.index < handed_out) return;  // by an attempt that failed later
        handed_out = segment.index + 1;
        control.on_segment(segment);
      };
    }
    measured(model.type(), [&] {
      result = model.speak(access, turn.run.device(), request, chosen, mine);
      return result.stage_times;
    });
    result.notices.insert(result.notices.begin(), turn.notices.begin(), turn.notices.end());
  });
  last_request_ = clock_.now();
  tasks_->note_use(model_id);
  return result;
}

void Engine::unload(const std::string& model_id, bool force) {
  unload_with_stages(*manager_, model_id, force);
}

std::vector<core::ModelInfo> Engine::models() const {
  auto models = manager_->list();
  std::erase_if(models, [](const auto& model) { return is_stage_id(model.id); });
  return models;
}

}  // namespace greenroom::app
