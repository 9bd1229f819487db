// Models: loaded, shared, listed, unloaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "greenroom/error.h"

namespace greenroom {

enum class ModelType { ddsp_svc, index_tts };
enum class ModelStatus { unloaded, loading, loaded, unloading, error };

std::string_view model_type_name(ModelType type);        // "ddsp_svc"
std::string_view model_status_name(ModelStatus status);  // "loaded"

struct ModelInfo {
  std::string model_id;
  ModelType model_type = ModelType::ddsp_svc;
  std::filesystem::path model_path;
  std::string device;  // where it is; where it is wanted ("auto") while it is nowhere
  ModelStatus status = ModelStatus::unloaded;
  int reference_count = 0;  // loads that no unload has taken back
  int running = 0;          // inferences under way
  std::uint64_t memory_bytes =
      0;  // of all its components, those it shares with other models included; 0: not loaded
  bool pinned = false;
  bool baseline = false;
  std::optional<double> keep_alive_seconds;
  std::string error_message;  // why the last load failed, and what to do
};

// One device, in bytes. budget = reserved + models + workspace + what is free of the budget.
struct DeviceMemoryUsage {
  std::string device;  // "cpu", "cuda:0"
  std::string name;
  std::uint64_t total_bytes = 0;      // as the system reports it; 0 when it cannot be read
  std::uint64_t free_bytes = 0;       // likewise, other programs considered
  std::uint64_t budget_bytes = 0;     // how much greenroom may fill
  std::uint64_t reserved_bytes = 0;   // claimed for loads under way
  std::uint64_t models_bytes = 0;     // weights, each shared component once
  std::uint64_t workspace_bytes = 0;  // of running inferences
  std::string problem;                // why it cannot be read
};

// What is wanted of a model beyond its being loaded. Kept across restarts.
struct KeepOptions {
  bool pinned = false;    // never evicted, never unloaded for being idle
  bool baseline = false;  // comes back when a burst of other work is over
  std::optional<double>
      keep_alive_seconds;  // idle time before it goes; absent: the idle timeout; negative: for ever
};

// A loaded model, as something to use: DdspSvcModel (greenroom/models/ddsp_svc.h) or IndexTtsModel
// (greenroom/models/index_tts.h). A handle keeps nothing
// loaded; only a running inference does. When the model was unloaded, using it is Error(not_found) or
// (failed_precondition), and works again after the next load of the same id. Thread-safe.
class Model {
 public:
  virtual ~Model() = default;
  virtual const std::string& model_id() const = 0;
  virtual ModelType model_type() const = 0;
};

// The door to the models of this process; there is one, get_model_manager(). All functions are thread-safe,
// and throw Error. Loads of one model by several threads are one load; nobody waits for another model's load.
class GPUModelManager {
 public:
  // Registers the DDSP-SVC voice at `model_path` (a model_N.pt, or its folder) and puts one reference on it,
  // loading it first when it is not loaded. Returns when it is ready, with its id: `model_id` if one is
  // given, else an id that is always the same for the same path. `device`: "auto", "cpu", "cuda:N". The bytes
  // are reserved before anything is read: a load that does not fit is Error(resource_exhausted), which says
  // what was needed, what is free and who holds the rest. Also throws: not_found, data_loss,
  // invalid_argument, failed_precondition (the id belongs to another path; loaded on another device; libtorch
  // is missing), cancelled (by a forced unload).
  std::string load_ddsp_model(const std::filesystem::path& model_path, const std::string& device = "auto",
                              const std::string& model_id = {});

  // The same for an IndexTTS-2 model, the official folder. Loads what speaking in a known voice needs; the
  // encoders for a new voice come when infer() meets one, and are free to go again.
  std::string load_index_tts_model(const std::filesystem::path& model_dir, const std::string& device = "auto",
                                   const std::string& model_id = {});

  // Takes one reference off; with the last one the model goes, once its running inferences have returned.
  // `force` takes all off and cancels a load under way. False when it is not loaded. Throws:
  // failed_precondition (loading, and no force).
  bool unload_model(const std::string& model_id, bool force = false);
  // Takes every reference off that a load put on (with `force`, those of tasks too). Returns the ids of the
  // models that are gone or going.
  std::vector<std::string> unload_all_models(bool force = false);

  // Null when it is not loaded.
  std::shared_ptr<Model> get_model(const std::string& model_id) const;

  // Of registered models, loaded or not. nullopt when there is none of that id.
  std::optional<ModelInfo> get_model_info(const std::string& model_id) const;
  std::vector<ModelInfo> list_models() const;  // by id

  // Throws: not_found.
  void keep_model(const std::string& model_id, const KeepOptions& options);
  // Throws: not_found, failed_precondition (loaded).
  void forget_model(const std::string& model_id);

  std::vector<DeviceMemoryUsage> get_memory_usage() const;  // the CPU first

  // Frees everything idle on all devices, and returns how many bytes that were. Nothing that is referenced,
  // pinned or in use goes.
  std::uint64_t optimize_memory();

  // The settings of auto management (greenroom/lifecycle.h). They hold at once and are kept across restarts.
  void enable_auto_cleanup(bool enabled);
  bool auto_cleanup_enabled() const;
  void set_cleanup_threshold(double percent);  // of a device in use, 1 to 100; throws: invalid_argument
  double cleanup_threshold() const;
  void set_idle_timeout(double minutes);  // 0 to a year; throws: invalid_argument
  double idle_timeout() const;
};

// The manager of this process. The first use of anything in greenroom/ starts it with the configuration that
// load_config finds (GREENROOM_CONFIG), unless initialize_gpu_management did.
GPUModelManager& get_model_manager();

// Shorthands for the functions of get_model_manager().
std::string load_ddsp_model(const std::filesystem::path& model_path, const std::string& device = "auto",
                            const std::string& model_id = {});
std::string load_index_tts_model(const std::filesystem::path& model_dir, const std::string& device = "auto",
                                 const std::string& model_id = {});
bool unload_model(const std::string& model_id, bool force = false);
std::shared_ptr<Model> get_model(const std::string& model_id);

}  // namespace greenroom
