// The cache folder: where state.db and events.db are, and what happens when they cannot be used.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/event_history.h"
#include "app/state_store.h"

namespace greenroom::app {

// Opening never fails, so that a daemon starts whatever became of its files:
//  - a damaged file is moved aside (state.db.damaged-1, and what belongs to it) and a new one begun;
//  - a file that a newer greenroom or another program wrote, or a folder that cannot be written, is left
//  alone, and
//    what would have been kept there is kept in memory only.
// Either is logged as a warning and told by problems(). Thread-safe.
class StateFolder {
 public:
  // Makes the folder if need be, for its owner only. An empty `folder` keeps everything in memory.
  explicit StateFolder(const std::filesystem::path& folder,
                       std::size_t max_events = EventHistory::kMaxEntries);

  StateStore& store() { return *store_; }
  EventHistory& history() { return *history_; }
  const std::filesystem::path& folder() const { return folder_; }
  // What went wrong when it was opened, with the remedy; empty when nothing did.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  template <typename Opened, typename... Arguments>
  std::unique_ptr<Opened> open(const char* name, Arguments... arguments);

  std::filesystem::path folder_;
  std::vector<std::string> problems_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<EventHistory> history_;
};

}  // namespace greenroom::app
