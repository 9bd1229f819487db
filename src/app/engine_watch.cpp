// What the engine does with what it sees: the monitor's hooks, and the figures for Prometheus.
#include <algorithm>
#include <chrono>
#include <utility>

#include "app/engine.h"
#include "base/error.h"
#include "base/log.h"

namespace greenroom::app {

std::unique_ptr<Monitoring> Engine::make_monitoring() {
  auto watched = discovery_.devices;
  watched.insert(watched.end(), discovery_.observed.begin(), discovery_.observed.end());
  Monitoring::Hooks hooks;
  hooks.alert = [this](const monitor::MemoryAlert& alert) {
    core::Event event;
    event.type = core::EventType::kAlert;
    for (const auto& device : discovery_.devices) {
      if (base::to_string(device->id()) == alert.device) event.device = device->id();
    }
    event.message = alert.message;
    event.cause = alert.rule + " " + alert.alert_type;
    manager_->publish(std::move(event));
    // A device that fills up gets its clean-up now, not at the caretaker's next look.
    if (alert.rule == "memory" && alert.alert_type != "cleared") caretaker_->look();
  };
  return std::make_unique<Monitoring>(std::move(watched), clock_, config_.monitoring, config_.cache_dir,
                                      std::move(hooks));
}

MemoryReadings Engine::memory_readings() const {
  MemoryReadings readings{clock_.now(), {}};
  if (const auto sample = monitoring_->latest()) {
    readings.at = sample->at;
    for (const auto& reading : sample->readings) {
      if (reading.memory && reading.answers) readings.memory[reading.device] = *reading.memory;
    }
    return readings;
  }
  for (const auto& device : discovery_.devices) {
    try {
      readings.memory[device->id()] = device->memory();
    } catch (const base::Error& error) {  // a lost device: its ledger still counts
      base::log(base::LogLevel::kDebug, "app", error.what());
    }
  }
  return readings;
}

MetricsState Engine::metrics_state() const {
  MetricsState state;
  state.uptime_seconds = std::chrono::duration<double>(clock_.now() - started_).count();
  if (auto sample = monitoring_->recent()) state.sample = std::move(*sample);
  state.ledgers = manager_->memory();
  state.models = models();
  state.monitor = monitoring_->monitor().figures();
  state.monitor_interval_seconds = config_.monitoring.interval_seconds;
  state.firing = monitoring_->monitor().firing();
  state.queues = requests_->stats();
  state.workers = workers();
  return state;
}

void Engine::measured(const std::string& model_type,
                      const std::function<std::vector<models::StageTime>()>& infer) {
  const auto began = clock_.now();
  const auto passed = [&] { return std::chrono::duration<double>(clock_.now() - began).count(); };
  try {
    const auto stages = infer();
    metrics_->observe_inference(model_type, "ok", passed());
    for (const auto& stage : stages) metrics_->observe_stage(model_type, stage.stage, stage.seconds);
  } catch (const base::Error& error) {
    metrics_->observe_inference(model_type, std::string(base::error_code_name(error.code())), passed());
    throw;
  }
}

}  // namespace greenroom::app
