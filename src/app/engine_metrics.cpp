#include "app/engine_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "app/device_metrics.h"

namespace greenroom::app {
namespace {

using core::EventType;
using monitor::Labels;
using monitor::MetricWriter;

constexpr auto kGauge = MetricWriter::Type::kGauge;
constexpr auto kCounter = MetricWriter::Type::kCounter;

std::vector<double> load_bounds() {
  return {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};
}
std::vector<double> inference_bounds() {
  return {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};
}
std::vector<double> request_bounds() {
  return {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300};
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  constexpr double kMicroseconds = 1e6;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / kMicroseconds;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// proc(5): /proc/self/statm, the second figure, in pages.
double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

void write_process(MetricWriter& writer, const std::string& version, const MetricsState& state) {
  writer.family("greenroom_build_info", kGauge, "The version that runs; always 1.");
  writer.value({{"version", version}}, 1);
  writer.family("greenroom_uptime_seconds", kGauge, "Since the engine was started.");
  writer.value({}, state.uptime_seconds);
  writer.family("process_cpu_seconds_total", kCounter, "Processor time this process has used.");
  writer.value({}, cpu_seconds());
  writer.family("process_resident_memory_bytes", kGauge, "Main memory this process occupies.");
  writer.value({}, resident_bytes());
}

void write_ledgers(MetricWriter& writer, const MetricsState& state) {
  writer.family(
      "greenroom_ledger_bytes", kGauge,
      "What the manager may use of a device (capacity) and has claimed: reserved for loads under way, "
      "resident weights, workspace of running inferences.");
  for (const auto& ledger : state.ledgers) {
    const std::pair<const char*, std::uint64_t> accounts[] = {{"capacity", ledger.totals.capacity},
                                                              {"reserved", ledger.totals.reserved},
                                                              {"resident", ledger.totals.resident},
                                                              {"workspace", ledger.totals.workspace}};
    for (const auto& [account, bytes] : accounts) {
      writer.value({{"device", base::to_string(ledger.device)}, {"account", account}},
                   static_cast<double>(bytes));
    }
  }
}

Labels labels_of(const core::ComponentInfo& component) {
  return {{"device", base::to_string(component.device)},
          {"component", component.kind},
          {"variant", component.variant},
          {"file", component.file.string()}};
}

void write_components(MetricWriter& writer, const MetricsState& state) {
  using Value = double (*)(const core::ComponentInfo&);
  const std::tuple<const char*, const char*, Value> families[] = {
      {"greenroom_component_bytes", "Bytes of a set of weights; there once, however many models share it.",
       [](const core::ComponentInfo& component) { return static_cast<double>(component.bytes); }},
      {"greenroom_component_models", "Models that keep a set of weights; 0: idle, may be evicted.",
       [](const core::ComponentInfo& component) { return static_cast<double>(component.holders.size()); }},
      {"greenroom_component_leases", "Inferences that use a set of weights now.",
       [](const core::ComponentInfo& component) { return static_cast<double>(component.leases); }},
  };
  for (const auto& [name, help, value] : families) {
    bool begun = false;
    for (const auto& ledger : state.ledgers) {
      for (const auto& component : ledger.components) {
        if (!std::exchange(begun, true)) writer.family(name, kGauge, help);
        writer.value(labels_of(component), value(component));
      }
    }
  }
}

void write_models(MetricWriter& writer, const MetricsState& state) {
  if (state.models.empty()) return;
  const auto labels = [](const core::ModelInfo& model) {
    return Labels{{"model", model.id}, {"type", model.type}, {"device", base::to_string(model.device)}};
  };
  writer.family("greenroom_model_state", kGauge, "The state a model is in: 1 with the state as a label.");
  for (const auto& model : state.models) {
    auto with_state = labels(model);
    with_state.emplace_back("state", core::model_status_name(model.status));
    writer.value(with_state, 1);
  }
  using Value = double (*)(const core::ModelInfo&);
  const std::tuple<const char*, const char*, Value> families[] = {
      {"greenroom_model_bytes", "Bytes of all components of a model, shared ones included.",
       [](const core::ModelInfo& model) { return static_cast<double>(model.bytes); }},
      {"greenroom_model_holds", "Explicit loads of a model that were not taken back.",
       [](const core::ModelInfo& model) { return static_cast<double>(model.holds); }},
      {"greenroom_model_leases", "Leases of running inferences of a model.",
       [](const core::ModelInfo& model) { return static_cast<double>(model.leases); }},
      {"greenroom_model_load_waiters", "Callers in the queue for the load of a model under way.",
       [](const core::ModelInfo& model) { return static_cast<double>(model.waiting); }},
  };
  for (const auto& [name, help, value] : families) {
    writer.family(name, kGauge, help);
    for (const auto& model : state.models) writer.value(labels(model), value(model));
  }
}

void write_workers(MetricWriter& writer, const MetricsState& state) {
  writer.family("greenroom_worker_up", kGauge, "1 while the worker process of a device runs.");
  for (const auto& worker : state.workers) {
    writer.value({{"device", base::to_string(worker.device)}}, worker.pid > 0 ? 1 : 0);
  }
  writer.family("greenroom_worker_deaths_total", kCounter,
                "Worker processes that ended without being asked to.");
  for (const auto& worker : state.workers) {
    writer.value({{"device", base::to_string(worker.device)}}, worker.deaths);
  }
}

void write_queues(MetricWriter& writer, const MetricsState& state) {
  using Stats = core::QueueStats;
  using Value = double (*)(const Stats&);
  const std::tuple<const char*, MetricWriter::Type, const char*, Value> families[] = {
      {"greenroom_queue_waiting", kGauge, "Requests that wait for their turn on a device.",
       [](const Stats& stats) { return static_cast<double>(stats.waiting); }},
      {"greenroom_queue_running", kGauge, "Requests that run on a device.",
       [](const Stats& stats) { return static_cast<double>(stats.running); }},
      {"greenroom_queue_oldest_wait_seconds", kGauge, "How long the oldest of those waiting has waited.",
       [](const Stats& stats) { return stats.oldest_wait_seconds; }},
      {"greenroom_queue_begun_total", kCounter, "Requests that got their turn.",
       [](const Stats& stats) { return static_cast<double>(stats.begun); }},
      {"greenroom_queue_wait_seconds_total", kCounter, "Time that those waited for it.",
       [](const Stats& stats) { return stats.wait_seconds; }},
      {"greenroom_queue_swaps_total", kCounter, "Models brought in while requests of others stood back.",
       [](const Stats& stats) { return static_cast<double>(stats.swaps); }},
  };
  for (const auto& [name, type, help, value] : families) {
    writer.family(name, type, help);
    for (const auto& [device, stats] : state.queues) {
      writer.value({{"device", base::to_string(device)}}, value(stats));
    }
  }
  writer.family(
      "greenroom_queue_turned_away_total", kCounter,
      "Requests that never got their turn: the queue was full (busy), their deadline passed (expired), "
      "they were cancelled, or their model could not be loaded (failed).");
  for (const auto& [device, stats] : state.queues) {
    const std::pair<const char*, std::uint64_t> reasons[] = {{"busy", stats.refused},
                                                             {"expired", stats.expired},
                                                             {"cancelled", stats.cancelled},
                                                             {"failed", stats.failed}};
    for (const auto& [reason, count] : reasons) {
      writer.value({{"device", base::to_string(device)}, {"reason", reason}}, static_cast<double>(count));
    }
  }
}

void write_monitor(MetricWriter& writer, const MetricsState& state) {
  writer.family("greenroom_monitor_interval_seconds", kGauge, "Time between two samples of the devices.");
  writer.value({}, state.monitor_interval_seconds);
  writer.family("greenroom_monitor_samples_total", kCounter, "Samples of the devices taken.");
  writer.value({}, static_cast<double>(state.monitor.samples));
  writer.family("greenroom_monitor_sample_seconds_total", kCounter, "Time the devices took to answer.");
  writer.value({}, state.monitor.total_sample_seconds);
  writer.family("greenroom_monitor_overdue_total", kCounter, "Times a driver did not answer in time.");
  writer.value({}, static_cast<double>(state.monitor.overdue));
  writer.family("greenroom_monitor_dropped_notices_total", kCounter,
                "Notices that a receiver was too slow for.");
  writer.value({}, static_cast<double>(state.monitor.dropped));
  if (state.firing.empty()) return;
  writer.family("greenroom_alert_firing", kGauge, "An alert that is on: 1 with its level as a label.");
  for (const auto& [key, level] : state.firing) {
    writer.value({{"device", key.first},
                  {"rule", key.second},
                  {"level", level == monitor::AlertLevel::kCritical ? "critical" : "warning"}},
                 1);
  }
}

}  // namespace

EngineMetrics::EngineMetrics(std::string version, std::function<MetricsState()> state)
    : loads_(registry_.counter("greenroom_loads_total", "Loads of models that came to their end.")),
      load_seconds_(
          registry_.histogram("greenroom_load_seconds", "Time that loads of models took.", load_bounds())),
      lookups_(registry_.counter("greenroom_load_lookups_total",
                                 "Loads by whether the model was there (hit) or had to be read (miss).")),
      unloads_(registry_.counter("greenroom_unloads_total", "Models that were unloaded.")),
      evictions_(registry_.counter("greenroom_evictions_total", "Idle components that had to go.")),
      evicted_bytes_(registry_.counter("greenroom_evicted_bytes_total", "Bytes that evictions gave back.")),
      alerts_(registry_.counter("greenroom_alerts_total", "Alerts that were told.")),
      inferences_(registry_.counter("greenroom_inferences_total", "Inferences that came to their end.")),
      inference_seconds_(registry_.histogram("greenroom_inference_seconds", "Time that inferences took.",
                                             inference_bounds())),
      stage_seconds_(registry_.histogram("greenroom_inference_stage_seconds",
                                         "Time that the stages of inferences took.", inference_bounds())),
      requests_(registry_.counter("greenroom_http_requests_total", "HTTP requests that were answered.")),
      request_seconds_(registry_.histogram("greenroom_http_request_seconds",
                                           "Time from a request's head to its answer.", request_bounds())),
      errors_(registry_.counter("greenroom_errors_total", "Operations that failed, by what failed.")) {
  for (const char* operation : {"load", "inference", "http"}) errors_.add({{"operation", operation}}, 0);
  registry_.add_collector([version = std::move(version), state = std::move(state)](MetricWriter& writer) {
    const MetricsState now = state();
    write_process(writer, version, now);
    write_devices(writer, now.sample);
    write_dcgm(writer, now.sample);
    write_ledgers(writer, now);
    write_components(writer, now);
    write_models(writer, now);
    write_queues(writer, now);
    write_workers(writer, now);
    write_monitor(writer, now);
  });
}

void EngineMetrics::observe(const core::Event& event) {
  const std::string device = base::to_string(event.device);
  switch (event.type) {
    case EventType::kLoadCompleted:
      loads_.add({{"type", event.model_type}, {"outcome", "ok"}});
      load_seconds_.observe(event.seconds, {{"type", event.model_type}});
      break;
    case EventType::kLoadFailed:
      loads_.add({{"type", event.model_type}, {"outcome", "failed"}});
      errors_.add({{"operation", "load"}});
      break;
    case EventType::kCacheHit:
      lookups_.add({{"type", event.model_type}, {"result", "hit"}});
      break;
    case EventType::kCacheMiss:
      lookups_.add({{"type", event.model_type}, {"result", "miss"}});
      break;
    case EventType::kUnloadCompleted:
      unloads_.add({{"type", event.model_type}});
      break;
    case EventType::kEvicted:
      evictions_.add({{"device", device}});
      evicted_bytes_.add({{"device", device}}, static_cast<double>(event.bytes));
      break;
    case EventType::kAlert:
      alerts_.add({{"device", device}});
      break;
    default:
      break;
  }
}

void EngineMetrics::observe_inference(const std::string& model_type, const std::string& outcome,
                                      double seconds) {
  inferences_.add({{"type", model_type}, {"outcome", outcome}});
  if (outcome == "ok") {
    inference_seconds_.observe(seconds, {{"type", model_type}});
  } else {
    errors_.add({{"operation", "inference"}});
  }
}

void EngineMetrics::observe_stage(const std::string& model_type, const std::string& stage, double seconds) {
  stage_seconds_.observe(seconds, {{"type", model_type}, {"stage", stage}});
}

void EngineMetrics::observe_request(const std::string& route, const std::string& method, int status,
                                    double seconds) {
  constexpr int kServerError = 500;
  requests_.add({{"route", route}, {"method", method}, {"code", std::to_string(status)}});
  request_seconds_.observe(seconds, {{"route", route}});
  if (status >= kServerError) errors_.add({{"operation", "http"}});
}

}  // namespace greenroom::app
