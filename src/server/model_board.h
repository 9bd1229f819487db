// Every model the API shows: those that are registered and those that are loaded, each as one entry.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "app/engine.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mutex.h"
#include "core/event.h"

namespace greenroom::server {

// Thread-safe.
class ModelBoard {
 public:
  // Borrows the engine.
  explicit ModelBoard(app::Engine& engine);

  // By id.
  std::map<std::string, base::Json> entries() EXCLUDES_LOCK(mutex_);
  // Throws base::Error(kNotFound).
  base::Json entry(const std::string& id) EXCLUDES_LOCK(mutex_);

  // An event of the manager: progress of loads is in the entries.
  void note(const core::Event& event) EXCLUDES_LOCK(mutex_);
  // A load failed before the manager knew of it; empty: that is over.
  void note_problem(const std::string& id, const std::optional<base::Error>& problem) EXCLUDES_LOCK(mutex_);

 private:
  struct Progress {
    std::string component;                      // read last
    std::map<std::string, std::uint64_t> done;  // bytes, by component
    std::uint64_t total_bytes = 0;              // of all that has to be brought in
  };
  struct Known {
    std::optional<std::uint64_t> bytes;  // absent: it could not be told
  };
  base::Json make(const std::string& id, const app::RegisteredModel* registered, const core::ModelInfo* info)
      EXCLUDES_LOCK(mutex_);
  std::optional<std::uint64_t> estimate(const std::filesystem::path& path, bool may_read)
      EXCLUDES_LOCK(mutex_);

  app::Engine& engine_;
  const std::chrono::system_clock::time_point wall_epoch_;  // when the steady clock began
  base::Mutex mutex_;
  std::map<std::string, Progress> progress_ GUARDED_BY(mutex_);
  std::map<std::string, base::Error> problems_ GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::int64_t>, Known> estimates_
      GUARDED_BY(mutex_);  // by path and its time
};

}  // namespace greenroom::server
