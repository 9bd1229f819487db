// What a running engine has to tell Prometheus. Names and meanings: docs/metrics.md.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/event.h"
#include "core/ledger.h"
#include "core/request_queue.h"
#include "core/snapshot.h"
#include "monitor/memory_monitor.h"
#include "monitor/metrics.h"
#include "worker/workers.h"

namespace greenroom::app {

// The state that is written when somebody asks, beside what is counted.
struct MetricsState {
  double uptime_seconds = 0;
  monitor::Sample sample;
  std::vector<core::DeviceMemory> ledgers;
  std::vector<core::ModelInfo> models;
  monitor::MonitorFigures monitor;
  double monitor_interval_seconds = 0;
  std::map<std::pair<std::string, std::string>, monitor::AlertLevel> firing;
  std::map<base::DeviceId, core::QueueStats> queues;
  std::vector<worker::WorkerInfo> workers;
};

// Thread-safe.
class EngineMetrics {
 public:
  // `state` is called at every render().
  EngineMetrics(std::string version, std::function<MetricsState()> state);

  void observe(const core::Event& event);
  // One inference that came to its end, and how: "ok", or the name of its error.
  void observe_inference(const std::string& model_type, const std::string& outcome, double seconds);
  void observe_stage(const std::string& model_type, const std::string& stage, double seconds);
  // `route` is a path of the server's own, never what a client made up.
  void observe_request(const std::string& route, const std::string& method, int status, double seconds);

  std::string render() const { return registry_.render(); }

 private:
  monitor::MetricRegistry registry_;
  monitor::Counter& loads_;
  monitor::Histogram& load_seconds_;
  monitor::Counter& lookups_;
  monitor::Counter& unloads_;
  monitor::Counter& evictions_;
  monitor::Counter& evicted_bytes_;
  monitor::Counter& alerts_;
  monitor::Counter& inferences_;
  monitor::Histogram& inference_seconds_;
  monitor::Histogram& stage_seconds_;
  monitor::Counter& requests_;
  monitor::Histogram& request_seconds_;
  monitor::Counter& errors_;
};

}  // namespace greenroom::app
