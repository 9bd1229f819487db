#include "app/event_history.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "app/schema.h"
#include "base/error.h"
#include "base/log.h"

namespace greenroom::app {
namespace {

constexpr std::int32_t kApplicationId = 0x47524556;  // "GREV"
constexpr std::size_t kSlackShare = 10;

const Schema& schema() {
  static const Schema schema{"events",
                             kApplicationId,
                             {
                                 R"(
    CREATE TABLE events(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      time_ms INTEGER NOT NULL,
      type TEXT NOT NULL,
      model_id TEXT NOT NULL,
      model_type TEXT NOT NULL,
      device TEXT NOT NULL,
      component TEXT NOT NULL,
      bytes INTEGER NOT NULL,
      seconds REAL NOT NULL,
      message TEXT NOT NULL,
      cause TEXT NOT NULL) STRICT;
    CREATE INDEX events_by_model ON events(model_id, id);
    CREATE INDEX events_by_type ON events(type, id);
                                 )",
                             }};
  return schema;
}

HistoryEntry read_entry(const Statement& row) {
  return {.id = row.number(0),
          .time_ms = row.number(1),
          .type = row.text(2),
          .model_id = row.text(3),
          .model_type = row.text(4),
          .device = row.text(5),
          .component = row.text(6),
          .bytes = static_cast<std::uint64_t>(row.number(7)),
          .seconds = row.real(8),
          .message = row.text(9),
          .cause = row.text(10)};
}

std::string select(const HistoryFilter& filter) {
  std::string sql =
      "SELECT id, time_ms, type, model_id, model_type, device, component, bytes, seconds, message, cause "
      "FROM events "
      "WHERE id > ?";
  if (filter.model_id) sql += " AND model_id = ?";
  if (filter.type) sql += " AND type = ?";
  return sql + (filter.newest ? " ORDER BY id DESC LIMIT ?" : " ORDER BY id LIMIT ?");
}

}  // namespace

EventTable::EventTable(const std::filesystem::path& file, std::size_t max_entries)
    : max_entries_(max_entries), database_(file, Durability::kProcess) {
  bring_up_to_date(database_, schema());
}

void EventTable::append(const std::deque<HistoryEntry>& entries) {
  base::MutexLock lock(mutex_);
  Transaction transaction(database_);
  Statement insert(database_, "INSERT INTO events VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const auto& entry : entries) {
    insert.bind(0, entry.time_ms).bind(1, entry.type).bind(2, entry.model_id).bind(3, entry.model_type);
    insert.bind(4, entry.device).bind(5, entry.component).bind(6, static_cast<std::int64_t>(entry.bytes));
    insert.bind(7, entry.seconds).bind(8, entry.message).bind(9, entry.cause).run();
  }
  const auto newest = database_.number("SELECT coalesce(max(id), 0) FROM events");
  const auto bound = static_cast<std::int64_t>(max_entries_);
  const bool prune = newest - pruned_at_ > bound / static_cast<std::int64_t>(kSlackShare);
  if (prune) Statement(database_, "DELETE FROM events WHERE id <= ?").bind(0, newest - bound).run();
  transaction.commit();
  if (prune) pruned_at_ = newest;
}

std::vector<HistoryEntry> EventTable::query(const HistoryFilter& filter) const {
  base::MutexLock lock(mutex_);
  Statement statement(database_, select(filter));
  int parameter = 0;
  statement.bind(parameter++, filter.since_id);
  if (filter.model_id) statement.bind(parameter++, *filter.model_id);
  if (filter.type) statement.bind(parameter++, *filter.type);
  statement.bind(parameter, static_cast<std::int64_t>(std::min(filter.limit, EventHistory::kMaxEntries)));
  std::vector<HistoryEntry> entries;
  while (statement.next()) entries.push_back(read_entry(statement));
  if (filter.newest) std::reverse(entries.begin(), entries.end());
  return entries;
}

EventHistory::EventHistory(const std::filesystem::path& file, std::size_t max_entries, std::size_t max_queued)
    : table_(file, max_entries), max_queued_(max_queued), writer_([this] { write_until_stopped(); }) {}

EventHistory::~EventHistory() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  writer_.join();
}

void EventHistory::append(HistoryEntry entry) {
  base::MutexLock lock(mutex_);
  if (queue_.size() >= max_queued_) {
    ++lost_;
    return;
  }
  queue_.push_back(std::move(entry));
  ++queued_;
  changed_.notify_all();
}

void EventHistory::flush() {
  base::MutexLock lock(mutex_);
  const auto target = queued_;
  while (settled_ < target) changed_.wait(mutex_);
}

std::vector<HistoryEntry> EventHistory::query(const HistoryFilter& filter) {
  flush();
  return table_.query(filter);
}

std::uint64_t EventHistory::lost() const {
  base::MutexLock lock(mutex_);
  return lost_;
}

void EventHistory::write_until_stopped() {
  while (true) {
    std::deque<HistoryEntry> batch;
    {
      base::MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) changed_.wait(mutex_);
      if (queue_.empty()) return;
      batch.swap(queue_);
    }
    write(batch);
  }
}

void EventHistory::write(const std::deque<HistoryEntry>& batch) {
  std::string problem;
  try {
    table_.append(batch);
  } catch (const std::exception& error) {
    problem = error.what();
  }
  bool news = false;
  {
    base::MutexLock lock(mutex_);
    settled_ += batch.size();
    if (!problem.empty()) lost_ += batch.size();
    news = writing_fails_ != !problem.empty();
    writing_fails_ = !problem.empty();
    changed_.notify_all();
  }
  if (!news) return;
  base::log(problem.empty() ? base::LogLevel::kInfo : base::LogLevel::kWarning, "app",
            problem.empty() ? "events are written again" : "events are not kept: " + problem);
}

}  // namespace greenroom::app
