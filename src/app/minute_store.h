// The day of minutes that the monitor keeps, in a file, so that it survives a restart.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "app/sqlite.h"
#include "base/mutex.h"
#include "monitor/history.h"

namespace greenroom::app {

// Devices are told apart by what stays when their numbers change: the UUID, or else the number. Thread-safe;
// the lock is held over SQLite's calls. Throws base::Error as Database and bring_up_to_date.
class MinuteStore {
 public:
  using Names = std::map<base::DeviceId, std::string>;

  // `names` are the devices of this run.
  MinuteStore(const std::filesystem::path& file, Names names);

  // Adds them, and removes what is older than a day before the newest.
  void append(const std::vector<monitor::HistoryPoint>& minutes) EXCLUDES_LOCK(mutex_);
  // Of the devices of this run, from that time on, in the order of time.
  std::vector<monitor::HistoryPoint> read(std::int64_t since_ms) const EXCLUDES_LOCK(mutex_);

 private:
  const Names names_;
  mutable base::Mutex mutex_;
  mutable Database database_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::app
