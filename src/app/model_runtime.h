// Where models run: in this process, or in a worker process for each device.
#pragma once

#include <memory>
#include <vector>

#include "app/config.h"
#include "base/clock.h"
#include "models/library.h"
#include "worker/remote_library.h"
#include "worker/workers.h"

namespace greenroom::app {

// Thread-safe.
class ModelRuntime {
 public:
  // In workers when the configuration names their program and does not refuse them. Borrows the clock.
  ModelRuntime(const Config& config, const base::Clock& clock);

  // What makes models. Opens libtorch here when models run here. Throws base::Error.
  const models::Library& library() const;
  // Null as long as no model can be loaded anywhere.
  const models::Library* opened() const;

  // Null when models run here.
  worker::Workers* workers() const { return workers_.get(); }
  // Bytes of the workers' memory that are neither a file's nor shared.
  std::uint64_t worker_bytes() const;

 private:
  std::unique_ptr<worker::Workers> workers_;
  std::unique_ptr<worker::RemoteLibrary> remote_;
};

}  // namespace greenroom::app
