#include "app/minute_store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "app/schema.h"

namespace greenroom::app {
namespace {

using monitor::HistoryPoint;

constexpr std::int32_t kApplicationId = 0x47524d4e;  // "GRMN"
constexpr std::int64_t kWholeMs = std::chrono::milliseconds(monitor::History::kWhole).count();

const Schema& schema() {
  static const Schema schema{"telemetry", kApplicationId, {R"(
    CREATE TABLE minutes(
      time_ms INTEGER NOT NULL,
      device TEXT NOT NULL,
      total INTEGER NOT NULL,
      used INTEGER NOT NULL,
      used_min INTEGER NOT NULL,
      used_max INTEGER NOT NULL,
      utilisation INTEGER,
      utilisation_max INTEGER,
      celsius INTEGER,
      watts REAL,
      PRIMARY KEY(time_ms, device)) STRICT, WITHOUT ROWID;
                             )"}};
  return schema;
}

void bind(Statement& statement, int parameter, std::optional<int> value) {
  if (value) {
    statement.bind(parameter, std::int64_t{*value});
  } else {
    statement.bind_null(parameter);
  }
}

std::optional<int> read_int(const Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(static_cast<int>(row.number(column)));
}

}  // namespace

MinuteStore::MinuteStore(const std::filesystem::path& file, Names names)
    : names_(std::move(names)), database_(file, Durability::kProcess) {
  bring_up_to_date(database_, schema());
}

void MinuteStore::append(const std::vector<HistoryPoint>& minutes) {
  std::int64_t newest = 0;
  base::MutexLock lock(mutex_);
  Transaction transaction(database_);
  Statement insert(database_, "INSERT OR REPLACE INTO minutes VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const auto& minute : minutes) {
    const auto name = names_.find(minute.device);
    if (name == names_.end()) continue;
    newest = std::max(newest, minute.time_ms);
    insert.bind(0, minute.time_ms).bind(1, name->second);
    int column = 2;
    for (const std::uint64_t bytes : {minute.total, minute.used, minute.used_min, minute.used_max}) {
      insert.bind(column++, static_cast<std::int64_t>(bytes));
    }
    bind(insert, 6, minute.utilisation_percent);
    bind(insert, 7, minute.utilisation_max_percent);
    bind(insert, 8, minute.temperature_celsius);
    if (minute.power_watts) {
      insert.bind(9, *minute.power_watts);
    } else {
      insert.bind_null(9);
    }
    insert.run();
  }
  Statement(database_, "DELETE FROM minutes WHERE time_ms < ?").bind(0, newest - kWholeMs).run();
  transaction.commit();
}

std::vector<HistoryPoint> MinuteStore::read(std::int64_t since_ms) const {
  std::vector<HistoryPoint> minutes;
  base::MutexLock lock(mutex_);
  Statement row(
      database_,
      "SELECT time_ms, device, total, used, used_min, used_max, utilisation, utilisation_max, celsius, "
      "watts FROM minutes WHERE time_ms >= ? ORDER BY time_ms");
  row.bind(0, since_ms);
  while (row.next()) {
    const std::string name = row.text(1);
    const auto device =
        std::find_if(names_.begin(), names_.end(), [&](const auto& entry) { return entry.second == name; });
    if (device == names_.end()) continue;
    HistoryPoint minute;
    minute.device = device->first;
    minute.time_ms = row.number(0);
    minute.is_minute = true;
    minute.total = static_cast<std::uint64_t>(row.number(2));
    minute.used = static_cast<std::uint64_t>(row.number(3));
    minute.used_min = static_cast<std::uint64_t>(row.number(4));
    minute.used_max = static_cast<std::uint64_t>(row.number(5));
    minute.utilisation_percent = read_int(row, 6);
    minute.utilisation_max_percent = read_int(row, 7);
    minute.temperature_celsius = read_int(row, 8);
    if (!row.is_null(9)) minute.power_watts = row.real(9);
    minutes.push_back(minute);
  }
  return minutes;
}

}  // namespace greenroom::app
