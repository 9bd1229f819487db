// Watches the devices: samples, history, alerts.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "monitor/alerts.h"
#include "monitor/history.h"
#include "monitor/sample.h"

namespace greenroom::monitor {

// How the sampling itself goes.
struct MonitorFigures {
  std::uint64_t samples = 0;
  std::uint64_t overdue = 0;       // times a driver did not answer in time
  std::uint64_t dropped = 0;       // notices that their receiver was too slow for
  double last_sample_seconds = 0;  // how long the devices took to answer
  double total_sample_seconds = 0;
};

// The names are the seed's. One thread asks the devices; another looks whether it got its answers. A driver
// that hangs holds up that first thread alone: the host is still read, the devices that owe an answer are
// reported as not answering, and neither stop_monitoring() nor the destructor waits for them. Nobody's
// callback runs in these threads. Thread-safe.
class MemoryMonitor {
 public:
  struct Options {
    std::chrono::nanoseconds interval = std::chrono::seconds(2);
    // Without an answer for so long, a device is reported as not answering.
    std::chrono::nanoseconds patience = std::chrono::seconds(10);
    AlertOptions alerts;
    bool log_alerts = true;
    int processes_every = 5;  // samples; who holds memory changes slowly and is dear to ask
    // Devices asked for their PCIe throughput at a sample, in turn: the driver takes 40 ms for each.
    int throughputs_each = 1;
    std::chrono::nanoseconds throughput_interval =
        std::chrono::seconds(1);  // at least, between two such samples
  };
  using AlertCallback = std::function<void(const MemoryAlert&)>;
  using SampleCallback = std::function<void(const Sample&)>;
  using MinutesCallback = std::function<void(const std::vector<HistoryPoint>&)>;

  // `clock` is borrowed and outlives the monitor.
  MemoryMonitor(std::vector<std::shared_ptr<const devices::Device>> devices, const base::Clock& clock)
      : MemoryMonitor(std::move(devices), clock, Options()) {}
  MemoryMonitor(std::vector<std::shared_ptr<const devices::Device>> devices, const base::Clock& clock,
                Options options);
  ~MemoryMonitor();
  MemoryMonitor(const MemoryMonitor&) = delete;
  MemoryMonitor& operator=(const MemoryMonitor&) = delete;

  // False when it runs already.
  bool start_monitoring();
  void stop_monitoring();
  bool is_monitoring() const;
  std::chrono::nanoseconds interval() const;

  // The newest sample; takes one when there is none, which waits for the devices.
  Sample get_current_status();
  // For who does not monitor: a sample not older than `age` where the devices answer within `wait`, else the
  // newest there is, with what does not answer marked when it has been asked for too long. Asks in a thread
  // of its own, which is never waited for longer; of many callers at once one asks.
  std::optional<Sample> sample_within(std::chrono::nanoseconds age, std::chrono::nanoseconds wait);
  // The newest sample, if there is one.
  std::optional<Sample> newest() const;
  // See History::since.
  std::vector<HistoryPoint> get_memory_history(int minutes) const;
  std::vector<MemoryAlert> get_recent_alerts(int minutes) const;
  std::map<std::pair<std::string, std::string>, AlertLevel> firing() const;
  // Other thresholds, from the next sample on; what fires goes on until it is calm by them.
  void set_alert_options(const AlertOptions& options);
  MonitorFigures figures() const;
  std::size_t history_bytes() const;

  // Each receiver has a thread of its own; see Delivery. The number takes it off again, which waits for a
  // call in progress.
  int add_alert_callback(AlertCallback callback);
  int add_sample_callback(SampleCallback callback);
  int add_minutes_callback(MinutesCallback callback);  // the minutes of history that were completed
  void remove_callback(int number);
  // Returns once every callback has got what was posted before.
  void drain_callbacks();

  // Minutes of an earlier run, in the order of time. Before monitoring starts.
  void restore_history(const std::vector<HistoryPoint>& minutes);

  // One round: asks every device, in the caller's thread. What the first thread does every interval.
  void sample();
  // Looks whether a round is overdue, and reports if so. What the second thread does.
  void watch();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the threads, one of which may be stuck
};

}  // namespace greenroom::monitor
