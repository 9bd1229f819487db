// The bounded history of events: one SQLite file, events.db, written by a thread of its own, so that whoever
// does the thing never waits for the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/sqlite.h"
#include "base/mutex.h"

namespace greenroom::app {

struct HistoryEntry {
  std::int64_t id = 0;       // ascending in the order of writing, never used twice; given when written
  std::int64_t time_ms = 0;  // since 1970, UTC
  std::string type;          // "load_completed"
  std::string model_id;      // empty when it belongs to no model
  std::string model_type;    // "ddsp_svc"
  std::string device;        // "cpu", "cuda:0"
  std::string component;
  std::uint64_t bytes = 0;
  double seconds = 0;
  std::string message;  // of an error
  std::string cause;    // why it was decided: "for loading 'bob', idle 41 s"

  bool operator==(const HistoryEntry&) const = default;
};

struct HistoryFilter {
  std::optional<std::string> model_id;
  std::optional<std::string> type;
  std::int64_t since_id = 0;  // only entries after this one
  std::size_t limit = 1000;
  bool newest = false;  // the newest `limit` entries instead of the oldest; ascending either way
};

// The table alone. Thread-safe; the lock is held over SQLite's calls. Throws as StateStore.
class EventTable {
 public:
  EventTable(const std::filesystem::path& file, std::size_t max_entries);

  // All of them or none. What exceeds the bound goes, oldest first (a tenth of the bound may stay a while).
  void append(const std::deque<HistoryEntry>& entries) EXCLUDES_LOCK(mutex_);
  std::vector<HistoryEntry> query(const HistoryFilter& filter) const EXCLUDES_LOCK(mutex_);

 private:
  const std::size_t max_entries_;
  mutable base::Mutex mutex_;
  mutable Database database_ GUARDED_BY(mutex_);
  std::int64_t pruned_at_ GUARDED_BY(mutex_) = 0;  // the newest id when it was last cut to size
};

// Thread-safe.
class EventHistory {
 public:
  static constexpr std::size_t kMaxEntries = 100'000;
  static constexpr std::size_t kMaxQueued = 10'000;

  // Throws as EventTable.
  explicit EventHistory(const std::filesystem::path& file, std::size_t max_entries = kMaxEntries,
                        std::size_t max_queued = kMaxQueued);
  // Writes what is queued.
  ~EventHistory();
  EventHistory(const EventHistory&) = delete;
  EventHistory& operator=(const EventHistory&) = delete;

  // Queues it; the id is ignored. Never waits for the disk: when the queue is full the entry is dropped and
  // counted.
  void append(HistoryEntry entry) EXCLUDES_LOCK(mutex_);

  // Returns once everything appended before is written (or lost, and counted as such).
  void flush() EXCLUDES_LOCK(mutex_);

  // What was appended before is in the answer. Throws base::Error when the file cannot be read.
  std::vector<HistoryEntry> query(const HistoryFilter& filter) EXCLUDES_LOCK(mutex_);

  // Entries that are not in the history because the queue was full or the file could not be written.
  std::uint64_t lost() const EXCLUDES_LOCK(mutex_);

 private:
  void write_until_stopped() EXCLUDES_LOCK(mutex_);
  void write(const std::deque<HistoryEntry>& batch) EXCLUDES_LOCK(mutex_);

  EventTable table_;
  const std::size_t max_queued_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<HistoryEntry> queue_ GUARDED_BY(mutex_);
  std::uint64_t queued_ GUARDED_BY(mutex_) = 0;   // all time
  std::uint64_t settled_ GUARDED_BY(mutex_) = 0;  // of those, written or lost
  std::uint64_t lost_ GUARDED_BY(mutex_) = 0;
  bool writing_fails_ GUARDED_BY(mutex_) = false;  // said so already
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread writer_;
};

}  // namespace greenroom::app
