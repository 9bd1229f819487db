#include "app/model_runtime.h"

#include <chrono>

#include "app/model_library.h"
#include "base/process.h"

namespace greenroom::app {

ModelRuntime::ModelRuntime(const Config& config, const base::Clock& clock) {
  if (config.worker_program.empty() || !config.worker_processes) return;
  worker::WorkersOptions options;
  options.launch.program = config.worker_program;
  options.launch.arguments = {"worker", "--log-level", config.log_level};
  options.launch.version = GREENROOM_VERSION;
  options.idle = std::chrono::seconds(config.worker_idle_seconds);
  workers_ = std::make_unique<worker::Workers>(std::move(options), clock);
  remote_ = std::make_unique<worker::RemoteLibrary>(*workers_);
}

const models::Library& ModelRuntime::library() const {
  if (remote_) return *remote_;
  return model_library();
}

const models::Library* ModelRuntime::opened() const {
  if (remote_) return workers_->connections().empty() ? nullptr : remote_.get();
  return opened_model_library();
}

std::uint64_t ModelRuntime::worker_bytes() const {
  std::uint64_t bytes = 0;
  if (!workers_) return bytes;
  for (const auto& worker : workers_->list()) {
    if (worker.pid > 0) bytes += base::anonymous_bytes(worker.pid);
  }
  return bytes;
}

}  // namespace greenroom::app
