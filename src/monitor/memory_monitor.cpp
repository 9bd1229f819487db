#include "monitor/memory_monitor.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/mutex.h"
#include "monitor/delivery.h"

namespace greenroom::monitor {
namespace {

using TimePoint = base::Clock::TimePoint;

constexpr std::size_t kMaxAlerts = 500;

std::vector<base::DeviceId> ids_of(const std::vector<std::shared_ptr<const devices::Device>>& devices) {
  std::vector<base::DeviceId> ids;
  ids.reserve(devices.size());
  for (const auto& device : devices) ids.push_back(device->id());
  return ids;
}

// What is not asked at every sample.
struct Extras {
  bool processes = false;
  bool throughput = false;
};

Reading read_device(const devices::Device& device, const Extras& extras) {
  Reading reading;
  reading.device = device.id();
  reading.name = device.name();
  reading.uuid = device.uuid();
  reading.bus_id = device.bus_id();
  try {
    reading.memory = device.memory();
    reading.telemetry = device.telemetry();
    if (reading.memory->shared_with_host) {  // its link is no link of a card, whatever the driver says
      reading.telemetry.pcie_generation.reset();
      reading.telemetry.pcie_lanes.reset();
    } else if (extras.throughput) {
      reading.telemetry.pcie_throughput = device.pcie_throughput();
    }
    if (extras.processes) reading.processes = device.processes();
  } catch (const base::Error& error) {
    reading.problem = error.what();
  }
  return reading;
}

void log_alert(const MemoryAlert& alert) {
  const auto level = alert.alert_type == "critical"  ? base::LogLevel::kError
                     : alert.alert_type == "warning" ? base::LogLevel::kWarning
                                                     : base::LogLevel::kInfo;
  base::log(level, "monitor", alert.message);
}

}  // namespace

// Thread-safe. Its lock is held over nothing that can take long.
struct MemoryMonitor::State {
  State(std::vector<std::shared_ptr<const devices::Device>> watched, const base::Clock& the_clock,
        Options how)
      : devices(std::move(watched)),
        clock(the_clock),
        options(how),
        history(ids_of(devices), options.interval),
        evaluator(options.alerts),
        answered(devices.size()) {}

  // A receiver: what it wants of the three kinds, and the thread that tells it.
  struct Receiver {
    AlertCallback alert;
    SampleCallback sample;
    MinutesCallback minutes;
    std::shared_ptr<Delivery> delivery;
  };

  // One round for that run of the threads (0: for a caller of his own); a run that was told to stop gives up
  // between two devices.
  void sample(int mine) EXCLUDES_LOCK(mutex);
  void watch() EXCLUDES_LOCK(mutex);
  // With a round's beginning: only if that round is still under way.
  void accept(Sample sample, std::optional<TimePoint> round) EXCLUDES_LOCK(mutex);
  std::vector<Extras> choose_extras() REQUIRES_LOCK(mutex);
  void keep(std::size_t index, Reading reading, const Extras& extras) REQUIRES_LOCK(mutex);
  void sample_once(int mine) EXCLUDES_LOCK(mutex);
  Reading unanswered(std::size_t index, TimePoint since) const;
  void sample_until_stopped(int mine) EXCLUDES_LOCK(mutex);
  void watch_until_stopped(int mine) EXCLUDES_LOCK(mutex);
  int add(Receiver receiver) EXCLUDES_LOCK(mutex);
  std::vector<std::shared_ptr<Delivery>> deliveries() EXCLUDES_LOCK(mutex);

  const std::vector<std::shared_ptr<const devices::Device>> devices;
  const base::Clock& clock;
  const Options options;

  base::Mutex mutex;
  base::CondVar changed;
  History history GUARDED_BY(mutex);
  AlertEvaluator evaluator GUARDED_BY(mutex);
  std::deque<MemoryAlert> alerts GUARDED_BY(mutex);
  std::optional<Sample> latest GUARDED_BY(mutex);
  std::map<int, Receiver> receivers GUARDED_BY(mutex);
  int next_receiver GUARDED_BY(mutex) = 1;
  MonitorFigures figures GUARDED_BY(mutex);

  // The round under way, if there is one.
  std::optional<TimePoint> round_began GUARDED_BY(mutex);
  std::vector<std::optional<Reading>> answered GUARDED_BY(mutex);  // in it, by device
  bool overdue GUARDED_BY(mutex) = false;                          // it, and that was reported
  std::uint64_t rounds GUARDED_BY(mutex) = 0;
  std::size_t next_throughput GUARDED_BY(mutex) = 0;  // whose turn it is
  std::optional<TimePoint> throughput_at GUARDED_BY(mutex);

  bool monitoring GUARDED_BY(mutex) = false;
  int stopping GUARDED_BY(mutex) = 0;  // the run that has to end; runs are numbered from 1
  int run GUARDED_BY(mutex) = 0;
  bool sampling GUARDED_BY(mutex) = false;  // the newest run's threads are there
  bool watching GUARDED_BY(mutex) = false;
};

std::vector<Extras> MemoryMonitor::State::choose_extras() {
  std::vector<Extras> extras(devices.size());
  const bool processes = rounds++ % static_cast<std::uint64_t>(std::max(options.processes_every, 1)) == 0;
  for (auto& one : extras) one.processes = processes;
  const TimePoint now = clock.now();
  if (throughput_at && now - *throughput_at < options.throughput_interval) return extras;
  throughput_at = now;
  int left = options.throughputs_each;
  for (std::size_t i = 0; i < devices.size() && left > 0; ++i) {
    const std::size_t index = next_throughput++ % devices.size();
    if (devices[index]->id().kind != base::DeviceKind::kCuda) continue;
    extras[index].throughput = true;
    --left;
  }
  return extras;
}

// What was not asked this time is as it was.
void MemoryMonitor::State::keep(std::size_t index, Reading reading, const Extras& extras) {
  if (latest) {
    const Reading& before = latest->readings[index];
    if (!extras.processes) reading.processes = before.processes;
    if (!extras.throughput && reading.problem.empty()) {
      reading.telemetry.pcie_throughput = before.telemetry.pcie_throughput;
    }
  }
  answered[index] = std::move(reading);
}

void MemoryMonitor::State::sample(int mine) {
  std::vector<Extras> extras;
  {
    base::MutexLock lock(mutex);
    if (round_began) return;                   // one is under way, and may hang
    if (mine > 0 && stopping >= mine) return;  // and the clock may be gone
    round_began = clock.now();
    answered.assign(devices.size(), std::nullopt);
    extras = choose_extras();
  }
  for (std::size_t i = 0; i < devices.size(); ++i) {
    Reading reading = read_device(*devices[i], extras[i]);
    base::MutexLock lock(mutex);
    overdue = false;                     // it answers; whoever stops may wait for this thread again
    if (mine > 0 && stopping >= mine) {  // and the clock may be gone
      round_began.reset();
      return;
    }
    keep(i, std::move(reading), extras[i]);
  }
  Sample sample{clock.wall_now(), clock.now(), {}};
  {
    base::MutexLock lock(mutex);
    for (auto& reading : answered) sample.readings.push_back(std::move(*reading));
    figures.last_sample_seconds = std::chrono::duration<double>(sample.at - *round_began).count();
    figures.total_sample_seconds += figures.last_sample_seconds;
    round_began.reset();
  }
  accept(std::move(sample), std::nullopt);
}

Reading MemoryMonitor::State::unanswered(std::size_t index, TimePoint since) const {
  const devices::Device& device = *devices[index];
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(clock.now() - since).count();
  Reading reading;
  reading.device = device.id();
  reading.name = device.name();
  reading.uuid = device.uuid();
  reading.bus_id = device.bus_id();
  reading.answers = false;
  reading.problem =
      fmt::format("{}: its driver has not answered for {} s", base::to_string(reading.device), seconds);
  return reading;
}

void MemoryMonitor::State::watch() {
  std::optional<TimePoint> round;
  Sample sample{clock.wall_now(), clock.now(), {}};
  {
    base::MutexLock lock(mutex);
    round = round_began;
    if (!round || sample.at - *round < options.patience) return;
    if (!overdue) ++figures.overdue;
    overdue = true;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      sample.readings.push_back(answered[i] ? *answered[i] : unanswered(i, *round));
    }
  }
  // The host is read from the kernel's own files, which do not hang.
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i]->id().kind == base::DeviceKind::kCpu) sample.readings[i] = read_device(*devices[i], {});
  }
  accept(std::move(sample), round);
}

void MemoryMonitor::State::accept(Sample sample, std::optional<TimePoint> round) {
  std::vector<MemoryAlert> new_alerts;
  std::vector<HistoryPoint> minutes;
  std::vector<Receiver> tell;
  const auto shared = std::make_shared<const Sample>(std::move(sample));
  {
    base::MutexLock lock(mutex);
    if (round && round_began != round) return;  // the answers came after all
    latest = *shared;
    ++figures.samples;
    minutes = history.add(*shared);
    new_alerts = evaluator.evaluate(*shared);
    for (const auto& alert : new_alerts) alerts.push_back(alert);
    while (alerts.size() > kMaxAlerts) alerts.pop_front();
    for (const auto& [number, receiver] : receivers) tell.push_back(receiver);
    changed.notify_all();
  }
  for (const auto& alert : new_alerts) {
    if (options.log_alerts) log_alert(alert);
  }
  for (const auto& receiver : tell) {
    if (receiver.sample) receiver.delivery->post([to = receiver.sample, shared] { to(*shared); });
    if (receiver.minutes && !minutes.empty()) {
      receiver.delivery->post([to = receiver.minutes, minutes] { to(minutes); });
    }
    for (const auto& alert : new_alerts) {
      if (receiver.alert) receiver.delivery->post([to = receiver.alert, alert] { to(alert); });
    }
  }
}

void MemoryMonitor::State::sample_until_stopped(int mine) {
  TimePoint next = clock.now();
  while (true) {
    sample(mine);
    base::MutexLock lock(mutex);
    if (stopping >= mine) break;
    next = std::max(next + options.interval, clock.now());
    while (stopping < mine && clock.now() < next) clock.wait_until(changed, mutex, next);
    if (stopping >= mine) break;
  }
  base::MutexLock lock(mutex);
  if (mine == run) sampling = false;
  changed.notify_all();
}

void MemoryMonitor::State::sample_once(int mine) {
  sample(mine);
  base::MutexLock lock(mutex);
  if (mine == run) sampling = false;
  changed.notify_all();
}

void MemoryMonitor::State::watch_until_stopped(int mine) {
  while (true) {
    {
      base::MutexLock lock(mutex);
      // While a driver hangs, the rest is read as often as ever.
      const TimePoint next = clock.now() + (overdue ? options.interval : options.patience / 2);
      while (stopping < mine && clock.now() < next) clock.wait_until(changed, mutex, next);
      if (stopping >= mine) break;
    }
    watch();
  }
  base::MutexLock lock(mutex);
  if (mine == run) watching = false;
  changed.notify_all();
}

int MemoryMonitor::State::add(Receiver receiver) {
  receiver.delivery = std::make_shared<Delivery>("a receiver of notices");
  base::MutexLock lock(mutex);
  receivers[next_receiver] = std::move(receiver);
  return next_receiver++;
}

std::vector<std::shared_ptr<Delivery>> MemoryMonitor::State::deliveries() {
  std::vector<std::shared_ptr<Delivery>> all;
  base::MutexLock lock(mutex);
  for (const auto& [number, receiver] : receivers) all.push_back(receiver.delivery);
  return all;
}

MemoryMonitor::MemoryMonitor(std::vector<std::shared_ptr<const devices::Device>> devices,
                             const base::Clock& clock, Options options)
    : state_(std::make_shared<State>(std::move(devices), clock, options)) {}

MemoryMonitor::~MemoryMonitor() {
  stop_monitoring();
  for (const auto& delivery : state_->deliveries()) delivery->end();
}

bool MemoryMonitor::start_monitoring() {
  const auto& devices = state_->devices;
  const bool may_hang = std::any_of(devices.begin(), devices.end(), [](const auto& device) {
    return device->id().kind != base::DeviceKind::kCpu;
  });
  int run = 0;
  {
    base::MutexLock lock(state_->mutex);
    if (state_->monitoring) return false;
    state_->monitoring = true;
    run = ++state_->run;
    state_->sampling = true;
    state_->watching = may_hang;
  }
  std::thread([state = state_, run] { state->sample_until_stopped(run); }).detach();
  if (may_hang) std::thread([state = state_, run] { state->watch_until_stopped(run); }).detach();
  return true;
}

void MemoryMonitor::stop_monitoring() {
  base::MutexLock lock(state_->mutex);
  if (!state_->monitoring && !state_->sampling) return;
  state_->monitoring = false;
  state_->stopping = state_->run;
  state_->changed.notify_all();
  // Nobody waits for a driver that hangs; the thread in it touches nothing but this state afterwards.
  const TimePoint deadline = state_->clock.now() + state_->options.patience;
  while (state_->watching || (state_->sampling && !state_->overdue && state_->clock.now() < deadline)) {
    state_->clock.wait_until(state_->changed, state_->mutex, deadline);
  }
}

bool MemoryMonitor::is_monitoring() const {
  base::MutexLock lock(state_->mutex);
  return state_->monitoring;
}

std::chrono::nanoseconds MemoryMonitor::interval() const {
  return state_->options.interval;
}

Sample MemoryMonitor::get_current_status() {
  {
    base::MutexLock lock(state_->mutex);
    if (state_->latest) return *state_->latest;
  }
  state_->sample(0);
  base::MutexLock lock(state_->mutex);
  // Another thread's round may be the one under way: its end is the first sample.
  while (!state_->latest) state_->changed.wait(state_->mutex);
  return *state_->latest;
}

std::optional<Sample> MemoryMonitor::sample_within(std::chrono::nanoseconds age,
                                                   std::chrono::nanoseconds wait) {
  const TimePoint deadline = state_->clock.now() + wait;
  for (bool asked = false;;) {
    int run = 0;
    {
      base::MutexLock lock(state_->mutex);
      const TimePoint now = state_->clock.now();
      if (state_->latest && now - state_->latest->at <= age) return state_->latest;
      const bool is_busy = state_->monitoring || state_->sampling;
      if (!is_busy && !asked) {
        run = ++state_->run;
        state_->sampling = asked = true;
      } else if (is_busy && now < deadline) {
        state_->clock.wait_until(state_->changed, state_->mutex, deadline);
      } else {
        break;
      }
    }
    if (run > 0) std::thread([state = state_, run] { state->sample_once(run); }).detach();
  }
  state_->watch();
  return newest();
}

std::optional<Sample> MemoryMonitor::newest() const {
  base::MutexLock lock(state_->mutex);
  return state_->latest;
}

std::vector<HistoryPoint> MemoryMonitor::get_memory_history(int minutes) const {
  const auto from = state_->clock.wall_now() - std::chrono::minutes(minutes);
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(from.time_since_epoch()).count();
  base::MutexLock lock(state_->mutex);
  return state_->history.since(since);
}

void MemoryMonitor::set_alert_options(const AlertOptions& options) {
  base::MutexLock lock(state_->mutex);
  state_->evaluator.set_options(options);
}

std::vector<MemoryAlert> MemoryMonitor::get_recent_alerts(int minutes) const {
  const auto from = state_->clock.wall_now() - std::chrono::minutes(minutes);
  std::vector<MemoryAlert> recent;
  base::MutexLock lock(state_->mutex);
  std::copy_if(state_->alerts.begin(), state_->alerts.end(), std::back_inserter(recent),
               [&](const MemoryAlert& alert) { return alert.timestamp >= from; });
  return recent;
}

std::map<std::pair<std::string, std::string>, AlertLevel> MemoryMonitor::firing() const {
  base::MutexLock lock(state_->mutex);
  return state_->evaluator.firing();
}

MonitorFigures MemoryMonitor::figures() const {
  const auto deliveries = state_->deliveries();
  MonitorFigures figures;
  {
    base::MutexLock lock(state_->mutex);
    figures = state_->figures;
  }
  for (const auto& delivery : deliveries) figures.dropped += delivery->dropped();
  return figures;
}

std::size_t MemoryMonitor::history_bytes() const {
  base::MutexLock lock(state_->mutex);
  return state_->history.bytes();
}

int MemoryMonitor::add_alert_callback(AlertCallback callback) {
  return state_->add({std::move(callback), nullptr, nullptr, nullptr});
}

int MemoryMonitor::add_sample_callback(SampleCallback callback) {
  return state_->add({nullptr, std::move(callback), nullptr, nullptr});
}

int MemoryMonitor::add_minutes_callback(MinutesCallback callback) {
  return state_->add({nullptr, nullptr, std::move(callback), nullptr});
}

void MemoryMonitor::remove_callback(int number) {
  std::shared_ptr<Delivery> delivery;
  {
    base::MutexLock lock(state_->mutex);
    const auto found = state_->receivers.find(number);
    if (found == state_->receivers.end()) return;
    delivery = found->second.delivery;
    state_->receivers.erase(found);
  }
  delivery->end();
}

void MemoryMonitor::drain_callbacks() {
  for (const auto& delivery : state_->deliveries()) delivery->drain();
}

void MemoryMonitor::restore_history(const std::vector<HistoryPoint>& minutes) {
  base::MutexLock lock(state_->mutex);
  for (const auto& minute : minutes) state_->history.restore(minute);
}

void MemoryMonitor::sample() {
  state_->sample(0);
}

void MemoryMonitor::watch() {
  state_->watch();
}

}  // namespace greenroom::monitor
