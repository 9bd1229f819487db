// The models library as a worker process has it: the same door, so that whoever uses models need not know
// where they run.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "models/library.h"
#include "worker/workers.h"

namespace greenroom::worker {

// A model made here has no weights in this process: what it loads and runs, it loads and runs in the worker
// of the device that it is asked to use, which reads its files again. A run whose worker dies throws
// base::Error(kUnavailable). Thread-safe; `workers` outlives it, and the models made by it.
class RemoteLibrary final : public models::Library {
 public:
  explicit RemoteLibrary(Workers& workers) : workers_(workers) {}

  // These two start a worker when there is none yet.
  std::string torch_version() const override;
  int cuda_device_count() const override;
  void set_threads(int threads) const override { threads_ = threads; }
  // These do not.
  models::DeviceHeap device_heap(int index) const override;
  void release_device_memory() const override;
  // A worker whose device is broken says so and ends.
  bool is_device_broken(int) const override { return false; }

  std::shared_ptr<const models::ConversionModel> make_ddsp_svc(
      models::ddsp_svc::Description description) const override;
  std::shared_ptr<const models::SynthesisModel> make_index_tts(models::index_tts::Description description,
                                                               std::filesystem::path cache) const override;

 private:
  struct About {
    std::string torch;
    int gpus = 0;
  };
  About about() const EXCLUDES_LOCK(mutex_);

  Workers& workers_;
  mutable std::atomic<int> threads_{0};
  mutable base::Mutex mutex_;
  mutable std::optional<About> about_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::worker
