// Loads and unloads that were asked for over HTTP.
#pragma once

#include <exception>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/engine.h"
#include "base/mutex.h"
#include "server/model_board.h"

namespace greenroom::server {

// HTTP clients do not count what they asked for, so a model they load is held once, however often they ask.
// Thread-safe.
class ModelLoads {
 public:
  // Borrows engine and board.
  ModelLoads(app::Engine& engine, ModelBoard& board) : engine_(engine), board_(board) {}
  ~ModelLoads();  // close()
  ModelLoads(const ModelLoads&) = delete;
  ModelLoads& operator=(const ModelLoads&) = delete;

  // Returns when it is loaded; who asks while a load is under way waits for that one. Throws base::Error:
  // kNotFound (not registered), kUnavailable (closed), and as app::ModelRegistry::load.
  void load(const std::string& id) EXCLUDES_LOCK(mutex_);
  // Returns at once; how it ends is seen in the model's entry. Throws base::Error: kNotFound, kUnavailable
  // (closed, or too many are under way).
  void start(const std::string& id) EXCLUDES_LOCK(mutex_);
  // Throws as core::Manager::unload.
  void unload(const std::string& id, bool force);

  struct Kept {
    std::string id, reason;
  };
  struct Unloaded {
    std::vector<std::string> unloaded;
    std::vector<Kept> kept;  // those that could not be
  };
  Unloaded unload_all(bool force);

  // Cancels what is under way, waits for its end, and takes nothing new.
  void close() EXCLUDES_LOCK(mutex_);

 private:
  struct Flight {
    bool done = false;
    std::exception_ptr error;
  };
  static constexpr std::size_t kMostAtOnce = 64;

  void check_registered(const std::string& id) const;
  void cancel_all() EXCLUDES_LOCK(mutex_);
  void load_now(const std::string& id);
  bool is_held(const std::string& id) const;

  app::Engine& engine_;
  ModelBoard& board_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::map<std::string, std::shared_ptr<Flight>> flights_ GUARDED_BY(mutex_);
  std::size_t threads_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace greenroom::server
