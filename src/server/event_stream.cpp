#include "server/event_stream.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "server/wire.h"

namespace greenroom::server {
namespace {

using base::MutexLock;
using std::chrono::steady_clock;

constexpr std::uint64_t kPerMillisecond = 1000;
constexpr std::size_t kMostOfHistory = 500;

std::string frame_of(const std::string& type, const base::Json& data, std::uint64_t id) {
  const std::string text = data.dump(-1, ' ', false, base::Json::error_handler_t::replace);
  return id == 0 ? fmt::format("event: {}\ndata: {}\n\n", type, text)
                 : fmt::format("id: {}\nevent: {}\ndata: {}\n\n", id, type, text);
}

// What counts as a change of a model: not the time it has been idle.
std::string essence(base::Json entry) {
  entry.erase("idle_seconds");
  return entry.dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

}  // namespace

std::uint64_t event_id_at(std::int64_t time_ms) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, time_ms)) * kPerMillisecond;
}

// A client's place in the list.
class EventStream::Stay {
 public:
  explicit Stay(EventStream& stream) : stream_(stream) {}
  ~Stay() {
    MutexLock lock(stream_.mutex_);
    stream_.clients_.erase(&client_);
  }
  Stay(const Stay&) = delete;
  Stay& operator=(const Stay&) = delete;

  Client& client() { return client_; }

 private:
  EventStream& stream_;
  Client client_;
};

EventStream::EventStream(app::Engine& engine, ModelBoard& board, EventStreamOptions options)
    : engine_(engine), board_(board), options_(std::move(options)) {
  last_id_ = event_id_at(to_ms(std::chrono::system_clock::now()));
  watcher_ = std::thread([this] { watch_models(); });
  alerts_ = engine.monitoring().monitor().add_alert_callback(
      [this](const monitor::MemoryAlert& alert) { publish("alert", alert_json(alert)); });
  samples_ = engine.monitoring().monitor().add_sample_callback([this](const monitor::Sample&) {
    if (clients() == 0) return;
    push_moment("sample", sample_json());
    note_change();  // uses of models come and go without events
  });
  events_ = engine.events().subscribe([this](const core::Event& event) { note(event); });
}

EventStream::~EventStream() {
  events_ = app::Subscription();
  engine_.monitoring().monitor().remove_callback(alerts_);
  engine_.monitoring().monitor().remove_callback(samples_);
  close();
  watcher_.join();
}

void EventStream::note(const core::Event& event) {
  board_.note(event);
  if (event.type == core::EventType::kLoadProgress) {
    push_moment("event", to_json(event));  // nobody wants it later
    note_change();
    return;
  }
  publish("event", to_json(event));
  if (event.type == core::EventType::kTaskPreloaded || event.type == core::EventType::kTaskCleaned) {
    for (const auto& task : engine_.tasks().list()) {
      if (task.profile.task_name == event.model_id) publish("task", to_json(task));
    }
  }
  note_change();
}

void EventStream::publish(const std::string& type, base::Json data) {
  const auto now = event_id_at(to_ms(std::chrono::system_clock::now()));
  MutexLock lock(mutex_);
  last_id_ = std::max(last_id_ + 1, now);
  if (type == "event") data["id"] = last_id_;
  const auto frame = std::make_shared<const std::string>(frame_of(type, data, last_id_));
  kept_.push_back({last_id_, frame});
  if (kept_.size() > options_.kept) kept_.pop_front();
  send(frame);
}

void EventStream::push_moment(const std::string& type, const base::Json& data) {
  const auto frame = std::make_shared<const std::string>(frame_of(type, data, 0));
  MutexLock lock(mutex_);
  send(frame);
}

void EventStream::send(const Frame& frame) {
  for (auto* client : clients_) {
    if (client->queue.size() >= options_.queued) {
      client->queue.pop_front();
      ++client->dropped;
    }
    client->queue.push_back(frame);
  }
  if (!clients_.empty()) changed_.notify_all();
}

void EventStream::note_change() {
  MutexLock lock(mutex_);
  if (clients_.empty()) return;
  models_changed_ = true;
  changed_.notify_all();
}

// A look at all models costs more than an event, so there is one for all events of a moment.
void EventStream::watch_models() {
  auto next = steady_clock::now();
  for (;;) {
    {
      MutexLock lock(mutex_);
      while (!closed_ && !models_changed_) changed_.wait(mutex_);
      while (!closed_ && steady_clock::now() < next) changed_.wait_until(mutex_, next);
      if (closed_) return;
      models_changed_ = false;
    }
    try {
      publish_changed_models();
    } catch (const std::exception& error) {
      base::log(base::LogLevel::kError, "server", fmt::format("models are not shown: {}", error.what()));
    }
    next = steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(options_.look_every);
  }
}

void EventStream::publish_changed_models() {
  const auto entries = board_.entries();
  for (const auto& [id, entry] : entries) {
    auto text = essence(entry);
    if (shown_[id] == text) continue;
    shown_[id] = std::move(text);
    push_moment("model", entry);
  }
  for (auto it = shown_.begin(); it != shown_.end();) {
    if (entries.count(it->first) > 0) {
      ++it;
      continue;
    }
    push_moment("model", {{"id", it->first}, {"removed", true}});
    it = shown_.erase(it);
  }
}

base::Json EventStream::sample_json() const {
  base::Json devices = base::Json::array();
  for (const auto& device : engine_.status().devices) devices.push_back(to_json(device, false));
  return {{"time_ms", to_ms(std::chrono::system_clock::now())}, {"devices", std::move(devices)}};
}

void EventStream::serve(BodyWriter& writer, std::optional<std::uint64_t> last_id) {
  std::vector<Frame> missed;
  bool whole = true;  // nothing is missing between what it has and what we kept
  Stay stay(*this);
  {
    MutexLock lock(mutex_);
    if (closed_) throw base::Error(base::ErrorCode::kUnavailable, "greenroom is shutting down");
    if (clients_.size() >= options_.max_clients) {
      throw base::Error(
          base::ErrorCode::kUnavailable,
          fmt::format("{} listen to the events already, as many as may; try again later", clients_.size()));
    }
    if (last_id) {
      whole = !kept_.empty() && kept_.front().id <= *last_id + 1;
      for (const auto& kept : kept_) {
        if (kept.id > *last_id) missed.push_back(kept.frame);
      }
      whole = whole || *last_id >= last_id_;
    }
    clients_.insert(&stay.client());
  }
  greet(writer, last_id, missed, whole);
  while (writer.is_open()) {
    Frame frame;
    std::uint64_t dropped = 0;
    {
      MutexLock lock(mutex_);
      auto& client = stay.client();
      const auto until = steady_clock::now() + options_.heartbeat;
      while (!closed_ && client.queue.empty() && steady_clock::now() < until)
        changed_.wait_until(mutex_, until);
      if (closed_) return;
      dropped = std::exchange(client.dropped, 0);
      if (!client.queue.empty()) {
        frame = std::move(client.queue.front());
        client.queue.pop_front();
      }
    }
    if (dropped > 0 && !writer.write(frame_of("lag", {{"dropped", dropped}}, 0))) return;
    if (!writer.write(frame ? *frame : std::string(": still here\n\n"))) return;
  }
}

void EventStream::greet(BodyWriter& writer, std::optional<std::uint64_t> last_id,
                        const std::vector<Frame>& missed, bool whole) {
  writer.write("retry: 2000\n" + frame_of("hello", {{"version", options_.version}, {"schema", 1}}, 0));
  if (last_id && !whole) {
    // What the ring has lost is in the history, as far as it is about models.
    const auto since_ms = static_cast<std::int64_t>(*last_id / kPerMillisecond);
    std::uint64_t told = 0;
    for (const auto& entry : engine_.history().query({.limit = kMostOfHistory, .newest = true})) {
      if (entry.time_ms <= since_ms) continue;
      auto json = to_json(entry);
      const auto id = event_id_at(entry.time_ms);
      json["id"] = id;
      json["total_bytes"] = 0;
      writer.write(frame_of("event", json, id));
      ++told;
    }
    writer.write(frame_of("lag", {{"dropped", 0}, {"from_history", told}}, 0));
  } else {
    for (const auto& frame : missed) writer.write(*frame);
  }
  if (write_models(writer)) writer.write(frame_of("sample", sample_json(), 0));
}

bool EventStream::write_models(BodyWriter& writer) {
  std::string frames;
  for (const auto& [id, entry] : board_.entries()) frames += frame_of("model", entry, 0);
  return frames.empty() ? writer.is_open() : writer.write(frames);
}

void EventStream::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

std::size_t EventStream::clients() const {
  MutexLock lock(mutex_);
  return clients_.size();
}

}  // namespace greenroom::server
