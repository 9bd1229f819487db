// The one place where libtorch's failures become ours, and where a run's surroundings are set up.
#pragma once

#include <cstdint>
#include <functional>

#include "base/device_id.h"

namespace greenroom::nn {

// Runs `body`, which computes on `device`, without autograd. What libtorch throws comes out as base::Error,
// as nn/failure.h says. Throws base::Error(kUnavailable) at once when an earlier error has made the device
// useless.
void run_guarded(const char* what, base::DeviceId device, const std::function<void()>& body);

// Activation memory of libtorch on the CPU, counted exactly at its allocator: bytes now, and the most since
// the last reset. Process-wide, so concurrent runs see each other's. Thread-safe.
struct WorkspaceMeter {
  static void install();  // idempotent; before the first tensor whose bytes should count
  static std::uint64_t current_bytes();
  static std::uint64_t peak_bytes();
  static void reset_peak();
  // Gives back to the system what is kept for the next allocation of the same size (at most 128 MiB, not
  // counted above).
  static void trim();
};

}  // namespace greenroom::nn
