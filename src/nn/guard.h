// The one place where libtorch's failures become ours, and where a run's surroundings are set up.
#pragma once

#include <cstdint>
#include <functional>

#include "base/device_id.h"

namespace greenroom::nn {

// Runs `body` without autograd; a c10::Error comes out as base::Error (kResourceExhausted for an allocation
// that failed, else kInternal, naming `what`).
void run_guarded(const char* what, const std::function<void()>& body);

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
