// The worker's side: what it does when the daemon asks.
#pragma once

#include <functional>

#include "base/device_id.h"
#include "base/file_descriptor.h"
#include "models/library.h"

namespace greenroom::worker {

struct ServiceOptions {
  base::DeviceId device;
  std::string version;
  // Opened when the first model is asked for. Throws base::Error.
  std::function<const models::Library&()> library;
};

// Serves until the other end is closed; the exit status of the process, which is to end then without waiting
// for what is still being computed. Ends the process itself (status kBrokenStatus) when its device is broken.
int serve(base::FileDescriptor socket, const ServiceOptions& options);

inline constexpr int kBrokenStatus = 70;

}  // namespace greenroom::worker
