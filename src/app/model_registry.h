// Models by name: registered once, loaded and unloaded by id from then on, and remembered across restarts.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/state_store.h"
#include "base/device_id.h"
#include "base/mutex.h"
#include "core/baseline.h"
#include "core/manager.h"
#include "core/model_hold.h"

namespace greenroom::app {

// How paths become models; every function may throw base::Error.
struct ModelSource {
  struct Identity {
    std::string type;
    std::filesystem::path file;  // of all that name the same model, one
  };
  // From file headers alone.
  std::function<Identity(const std::filesystem::path&)> identify;
  // What a load of it would load, and where.
  std::function<core::GroupMember(const RegisteredModel&)> make;
};

// What is wanted of a model beyond its being loaded.
struct Keep {
  bool pinned = false;
  bool baseline = false;
  std::optional<double> keep_alive_seconds;  // see RegisteredModel; negative: for ever
};

// Which models come back at start.
enum class Restore {
  kNone,
  kKept,  // pinned and baseline ones
  kHeld,  // and those that were loaded on request and not unloaded before the end, however it came
};

struct Restored {
  std::string id;
  std::string problem;  // why it did not come back; empty when it did
};

// "alto-5d41402a": the name of the folder of a model_N.pt (or of the model's own folder), and a digest of the
// path. The same for the same path, always; fit for a URL.
std::string stable_model_id(const std::filesystem::path& file);

// Thread-safe. Throws base::Error; besides what is said at each function, that of StateStore.
class ModelRegistry {
 public:
  // Borrows store, manager and baseline. Tells the manager the pins and keep-alive times of all registered
  // models, and `baseline` which of them belong to it.
  ModelRegistry(StateStore& store, core::Manager& manager, core::Baseline& baseline, ModelSource source);

  // Registers the model at `path`, loading nothing, and returns its id: `id`, or a stable one of its own when
  // that is empty. Doing it again changes the device and nothing else. Throws what identify throws,
  // kInvalidArgument (an id with characters beyond letters, digits and . _ - /, or longer than 200),
  // kFailedPrecondition when the id is another path's.
  std::string add(const std::filesystem::path& path, const std::string& device = {},
                  const std::string& id = {});

  // Forgets the model. Throws kNotFound, kFailedPrecondition (loaded; unload it first).
  void forget(const std::string& id);

  std::vector<RegisteredModel> list() const { return store_.models(); }
  std::optional<RegisteredModel> find(const std::string& id) const { return store_.model(id); }

  // What a load of it would load, and where. Throws kNotFound (not registered), and what making it throws.
  core::GroupMember resolve(const std::string& id) const;

  // Puts a hold on it, loading it first if need be. Throws kNotFound (not registered) and as
  // core::Manager::load.
  void load(const std::string& id);
  // Loads it without a hold. Throws as load.
  void preload(const std::string& id);
  // Throws as core::Manager::unload.
  void unload(const std::string& id, bool force);
  // Holds for the model whether it is loaded or not. Throws kNotFound.
  void keep(const std::string& id, const Keep& keep);

  // Loads what `choice` says, pinned ones first. A model that cannot be loaded does not stop the others.
  std::vector<Restored> restore(Restore choice) EXCLUDES_LOCK(mutex_);
  // Ends a restore() under way: it gives up the model it is at and returns.
  void stop_restoring() EXCLUDES_LOCK(mutex_);

 private:
  RegisteredModel get(const std::string& id) const;
  void configure(const RegisteredModel& model);
  void mark_held(const std::string& id) EXCLUDES_LOCK(mutex_);
  std::string restore_one(const RegisteredModel& model);

  StateStore& store_;
  core::Manager& manager_;
  core::Baseline& baseline_;
  const ModelSource source_;
  base::Mutex mutex_;  // held over the write of a mark, so that marks are written in the order they are read
  std::string restoring_ GUARDED_BY(mutex_);  // id
  std::atomic<bool> stopping_{false};
};

}  // namespace greenroom::app
