// Survives the truncation of a mapped file: what would be a fatal SIGBUS becomes zeros and a flag.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>

namespace greenroom::checkpoint {

// Registers a mapped range for its lifetime. When the file behind it lost a page that is being read, zeros
// are mapped from there to the end of the range, the reader goes on, and faulted() is true from then on.
// Faults outside any registered range go to the handler that was there before. Thread-safe.
class FaultGuard {
 public:
  // The range must be mapped until the guard is gone. Throws Error(kUnavailable) when too many ranges (4096)
  // are registered.
  explicit FaultGuard(std::span<const std::byte> range);
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

  bool faulted() const;

 private:
  std::size_t slot_;
};

}  // namespace greenroom::checkpoint
