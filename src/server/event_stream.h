// What happens, pushed to whoever listens: server-sent events (docs/api.md has their kinds).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "app/engine.h"
#include "base/json.h"
#include "base/mutex.h"
#include "server/http_message.h"
#include "server/model_board.h"

namespace greenroom::server {

struct EventStreamOptions {
  std::string version;
  std::size_t max_clients = 128;
  std::size_t kept = 1024;   // events for clients that come back
  std::size_t queued = 256;  // for one client; then the oldest are dropped and it is told
  std::chrono::nanoseconds heartbeat = std::chrono::seconds(15);
  std::chrono::nanoseconds look_every = std::chrono::milliseconds(100);  // at models, while things happen
};

// Thread-safe.
class EventStream {
 public:
  // Borrows engine and board.
  EventStream(app::Engine& engine, ModelBoard& board, EventStreamOptions options);
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // For all who listen and, but for what only holds for a moment, for those who come back.
  void publish(const std::string& type, base::Json data) EXCLUDES_LOCK(mutex_);
  // Models may have changed in a way that no event of the manager tells.
  void note_change() EXCLUDES_LOCK(mutex_);

  // Writes to one client until it goes or close() is called. `last_id`: what it got last, when it has been
  // here before. Throws base::Error(kUnavailable) before the first byte when there are too many.
  void serve(BodyWriter& writer, std::optional<std::uint64_t> last_id) EXCLUDES_LOCK(mutex_);

  // Sends everybody away, now and from now on.
  void close() EXCLUDES_LOCK(mutex_);
  std::size_t clients() const EXCLUDES_LOCK(mutex_);

 private:
  using Frame = std::shared_ptr<const std::string>;
  struct Kept {
    std::uint64_t id = 0;
    Frame frame;
  };
  struct Client {
    std::deque<Frame> queue;
    std::uint64_t dropped = 0;  // not told yet
  };
  class Stay;

  void send(const Frame& frame) REQUIRES_LOCK(mutex_);
  void push_moment(const std::string& type, const base::Json& data) EXCLUDES_LOCK(mutex_);
  void greet(BodyWriter& writer, std::optional<std::uint64_t> last_id, const std::vector<Frame>& missed,
             bool whole);
  bool write_models(BodyWriter& writer);
  base::Json sample_json() const;
  void note(const core::Event& event);
  void watch_models() EXCLUDES_LOCK(mutex_);
  void publish_changed_models() EXCLUDES_LOCK(mutex_);

  app::Engine& engine_;
  ModelBoard& board_;
  const EventStreamOptions options_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::uint64_t last_id_ GUARDED_BY(mutex_) = 0;
  std::deque<Kept> kept_ GUARDED_BY(mutex_);
  std::set<Client*> clients_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  bool models_changed_ GUARDED_BY(mutex_) = false;
  std::map<std::string, std::string> shown_;  // of models, by id; the watcher's own
  std::thread watcher_;
  int alerts_ = 0, samples_ = 0;  // callbacks of the monitor
  app::Subscription events_;      // last: it calls back
};

// Ids grow with time, across restarts too: microseconds since 1970.
std::uint64_t event_id_at(std::int64_t time_ms);

}  // namespace greenroom::server
