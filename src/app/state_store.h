// What has to be there tomorrow: registered models, task profiles, settings changed at run time, and what was
// learnt about costs. One SQLite file, state.db.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/sqlite.h"
#include "base/mutex.h"

namespace greenroom::app {

// A model somebody gave a name, loaded or not.
struct RegisteredModel {
  std::string id;
  std::string type;  // "ddsp_svc"
  std::filesystem::path path;
  std::string device = "auto";               // as asked for: "auto", "cpu", "cuda:0"
  bool pinned = false;                       // never evicted, never unloaded for being idle; loaded at start
  bool baseline = false;                     // comes back when a burst is over; loaded at start
  std::optional<double> keep_alive_seconds;  // idle time before it is unloaded; absent: the general setting
  bool held = false;                         // was loaded on request and not unloaded since

  bool operator==(const RegisteredModel&) const = default;
};

// Every call that changes something returns once it is in the file: a kill -9 after that loses nothing.
// Several processes may use one file; each sees the others' changes at its next call. Thread-safe; the lock
// is held over SQLite's calls (it is the connection's turn), so whoever decides about models does not call
// from under a lock. Throws base::Error: kUnavailable (locked for more than five seconds, disk full),
// kDataLoss (damaged).
class StateStore {
 public:
  // Opens or creates `file`, bringing an older one up to date; ":memory:" keeps nothing. Throws base::Error,
  // besides the above: kFailedPrecondition when a newer greenroom or another program wrote it.
  explicit StateStore(const std::filesystem::path& file);

  // Adds it, or replaces the one of that id.
  void put_model(const RegisteredModel& model) EXCLUDES_LOCK(mutex_);
  // Both: false when there is none of that id.
  bool set_held(const std::string& id, bool held) EXCLUDES_LOCK(mutex_);
  bool remove_model(const std::string& id) EXCLUDES_LOCK(mutex_);
  std::optional<RegisteredModel> model(const std::string& id) const EXCLUDES_LOCK(mutex_);
  std::vector<RegisteredModel> models() const EXCLUDES_LOCK(mutex_);  // by id

  // Named documents: JSON texts whose form their owners know.
  enum class Kind {
    kTaskProfile,  // key: the task's name
    kSetting,      // key: as in the configuration file, "gpu.idle_timeout_minutes"
    kLearntCost,   // key: what it is the cost of
  };
  void put(Kind kind, const std::string& key, const std::string& document) EXCLUDES_LOCK(mutex_);
  // Puts what `change` makes of what is there (nullopt: nothing), with no other process in between. It must
  // not use this store.
  using Change = std::function<std::string(const std::optional<std::string>&)>;
  void update(Kind kind, const std::string& key, const Change& change) EXCLUDES_LOCK(mutex_);
  bool remove(Kind kind, const std::string& key) EXCLUDES_LOCK(mutex_);
  std::optional<std::string> get(Kind kind, const std::string& key) const EXCLUDES_LOCK(mutex_);
  std::map<std::string, std::string> all(Kind kind) const EXCLUDES_LOCK(mutex_);

 private:
  mutable base::Mutex mutex_;
  mutable Database database_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::app
